import { once } from 'node:events';
import type { Server, Socket } from 'node:net';
import { connect, createServer } from 'node:net';

/** A TCP proxy on 127.0.0.1 whose connections can be cut, refused, and led elsewhere. */
export class SwitchingProxy {
  private readonly sockets = new Set<Socket>();
  private isOpen = true;
  private lostRequest: string | undefined;

  private constructor(
    private readonly server: Server,
    private target: number,
  ) {}

  static async start(target: number): Promise<SwitchingProxy> {
    const server = createServer();
    const proxy = new SwitchingProxy(server, target);
    server.on('connection', (client) => proxy.join(client));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  get port(): number {
    const address = this.server.address();
    if (address === null || typeof address === 'string') throw new Error('The proxy does not listen');
    return address.port;
  }

  /** Cuts what is connected and refuses what comes, until `open`. */
  close(): void {
    this.isOpen = false;
    for (const socket of this.sockets) socket.destroy();
  }

  /** Lets connections through again, to another port if one is given. */
  open(target = this.target): void {
    this.target = target;
    this.isOpen = true;
  }

  /** Cuts the connection of the next request with this text as soon as it is answered, and keeps the answer. */
  loseAnswerTo(text: string): void {
    this.lostRequest = text;
  }

  /** Whether that has still to happen. */
  get losesAnswer(): boolean {
    return this.lostRequest !== undefined;
  }

  async dispose(): Promise<void> {
    this.close();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  private join(client: Socket): void {
    if (!this.isOpen) {
      client.destroy();
      return;
    }
    const server = connect(this.target, '127.0.0.1');
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      this.sockets.add(from);
      from.setNoDelay(true);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        this.sockets.delete(from);
        to.destroy();
      });
    }
    let isLost = false;
    client.on('data', (request: Buffer) => {
      isLost ||= this.lostRequest !== undefined && request.includes(this.lostRequest);
      server.write(request);
    });
    server.on('data', (answer: Buffer) => {
      if (!isLost) {
        client.write(answer);
        return;
      }
      this.lostRequest = undefined;
      client.destroy();
    });
  }
}
