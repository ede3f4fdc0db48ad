import { once } from 'node:events';
import {
  createServer,
  request as send,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream';
import type { Takeover } from './app-group';

/** Longer than the pause between two beats of an event stream: a frozen process does not hold a request for ever. */
const IDLE_MILLIS = 20_000;
/** How soon a browser asks again for a stream that was cut off. */
const RECONNECT_MILLIS = 300;
const LOCAL_NAMES = ['127.0.0.1', 'localhost'];

/** Where a process of the app listens. */
export interface Target {
  readonly pid: number;
  readonly port: number;
}

/** What is behind the address. */
export interface Fronted {
  /** Those that may be asked, in this order. */
  readonly serving: readonly Target[];
  readonly leader: Target | undefined;
  readonly takeover: Takeover | undefined;
  onLeader(listener: () => void): void;
  killLeader(): Promise<Takeover>;
}

/** What the page asks for under demo/group. */
export interface FrontReport {
  /** The pids of those that live. */
  processes: number[];
  /** The process that answers the page: the leader, while there is one. */
  answeredBy: number | null;
  takeover: Takeover | null;
}

/** The address in front of the group: passes each request on to the leader, else to one that lives. */
export class Front {
  private readonly server: Server = createServer((request, response) => this.answer(request, response));
  /** Streams that stay open, each with the process that it comes from. */
  private readonly streams = new Map<ServerResponse, Target>();

  constructor(private readonly group: Fronted) {
    // Only the leader has the changes.
    group.onLeader(() => {
      for (const [response, from] of this.streams) if (from !== group.leader) response.destroy();
    });
  }

  /** @returns the address. @throws Error when the port is taken */
  async listen(port: number): Promise<string> {
    this.server.listen(port, '127.0.0.1');
    await once(this.server, 'listening');
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    if (!this.server.listening) return;
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const route = `${request.method} ${request.url}`;
    if (route === 'GET /demo/group') return answerJson(response, 200, this.report());
    if (route === 'POST /demo/kill-leader') return this.killLeader(request, response);
    this.forward(request, response, this.group.serving);
  }

  private report(): FrontReport {
    const { serving, takeover } = this.group;
    return {
      processes: serving.map(({ pid }) => pid).sort((a, b) => a - b),
      answeredBy: serving[0]?.pid ?? null,
      takeover: takeover ?? null,
    };
  }

  private killLeader(request: IncomingMessage, response: ServerResponse): void {
    if (!isFromOwnPage(request)) return answerJson(response, 403, { message: 'Only the page may do this' });
    this.group.killLeader().then(
      (takeover) => answerJson(response, 200, takeover),
      (error: Error) => answerJson(response, 503, { message: error.message }),
    );
  }

  private forward(
    request: IncomingMessage,
    response: ServerResponse,
    [target, ...others]: readonly Target[],
  ): void {
    if (!target) return refuse(request, response, 'No process of the app answers; try again');
    const { method, url: path } = request;
    const headers = withoutConnection(request.headers);
    const passed = send({ host: '127.0.0.1', port: target.port, method, path, headers, agent: false });
    passed.setTimeout(IDLE_MILLIS, () => passed.destroy(new Error(`Process ${target.pid} does not answer`)));
    passed.on('response', (answer) => this.passBack(answer, response, target));
    passed.on('error', () => {
      if (response.headersSent || response.destroyed) response.destroy();
      // Nothing was done yet for a GET, and it has no body that is used up.
      else if (method === 'GET') this.forward(request, response, others);
      else refuse(request, response, `Process ${target.pid} has ended meanwhile; look whether it was done`);
    });
    response.on('close', () => passed.destroy());
    if (method === 'GET') passed.end();
    else pipeline(request, passed, () => undefined);
  }

  private passBack(answer: IncomingMessage, response: ServerResponse, from: Target): void {
    response.writeHead(answer.statusCode ?? 502, withoutConnection(answer.headers));
    if (isEventStream(answer)) {
      response.write(`retry: ${RECONNECT_MILLIS}\n\n`);
      this.streams.set(response, from);
      response.on('close', () => this.streams.delete(response));
    }
    // An answer that breaks off breaks off for the browser, too: it asks again.
    pipeline(answer, response, () => undefined);
  }
}

/** Each of the two connections has its own. */
function withoutConnection(headers: IncomingMessage['headers']): OutgoingHttpHeaders {
  const {
    connection: _connection,
    'keep-alive': _keepAlive,
    'transfer-encoding': _encoding,
    ...rest
  } = headers;
  return rest;
}

function isEventStream({ headers }: IncomingMessage): boolean {
  return headers['content-type']?.startsWith('text/event-stream') ?? false;
}

/** An EventSource gives up for good at any answer but 200; a connection that breaks off is tried again. */
function refuse(request: IncomingMessage, response: ServerResponse, message: string): void {
  if (request.headers.accept === 'text/event-stream') response.destroy();
  else answerJson(response, 503, { message });
}

function answerJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(JSON.stringify(body));
}

/** No other site that the browser has open, and no other name for this address. */
function isFromOwnPage({ headers }: IncomingMessage): boolean {
  const { host = '', origin } = headers;
  const isLocal = LOCAL_NAMES.includes(host.replace(/:\d+$/, ''));
  return isLocal && (origin === undefined || origin === `http://${host}`);
}
