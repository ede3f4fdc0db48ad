import { once } from 'node:events';
import type { Server, Socket } from 'node:net';
import { connect, createServer } from 'node:net';

/** A TCP proxy that can keep answers back and give them all at once. */
export class HoldingProxy {
  /** What was asked since `hold`. */
  readonly requests: string[] = [];
  private isHolding = false;
  private holdsFrom: string | undefined;
  private held: { to: Socket; answer: Buffer }[] = [];
  private readonly sockets = new Set<Socket>();

  private constructor(private readonly server: Server) {}

  static async start(target: number): Promise<HoldingProxy> {
    const server = createServer();
    const proxy = new HoldingProxy(server);
    server.on('connection', (client) => proxy.join(client, target));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.server.address() as { port: number }).port;
  }

  /** Requests go through, answers do not. */
  hold(): void {
    this.requests.length = 0;
    this.isHolding = true;
  }

  /** From the next request on that has this text. */
  holdFrom(text: string): void {
    this.holdsFrom = text;
  }

  release(): void {
    this.isHolding = false;
    const held = this.held;
    this.held = [];
    for (const to of new Set(held.map((each) => each.to))) {
      to.write(Buffer.concat(held.filter((each) => each.to === to).map((each) => each.answer)));
    }
  }

  async dispose(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  private join(client: Socket, target: number): void {
    const server = connect(target, '127.0.0.1');
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.sockets.add(one);
      one.setNoDelay(true);
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
    }
    client.on('data', (request: Buffer) => {
      if (this.holdsFrom !== undefined && request.includes(this.holdsFrom)) {
        this.holdsFrom = undefined;
        this.hold();
      }
      if (this.isHolding) this.requests.push(request.toString());
      server.write(request);
    });
    server.on('data', (answer: Buffer) => {
      if (this.isHolding) this.held.push({ to: client, answer });
      else client.write(answer);
    });
  }
}
