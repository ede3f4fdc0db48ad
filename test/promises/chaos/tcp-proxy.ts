import type { AddressInfo, Server, Socket } from 'node:net';
import { connect, createServer } from 'node:net';

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  /** Besides the link as a whole. */
  isStalled: boolean;
}

/** A TCP link on 127.0.0.1 that can be cut, reset, stalled and led elsewhere. */
export class TcpProxy {
  private readonly pairs = new Set<Pair>();
  private stalled = false;

  private constructor(
    private readonly listener: Server,
    private targetPort: number,
  ) {
    listener.on('connection', (client) => this.link(client));
  }

  static async open(targetPort: number): Promise<TcpProxy> {
    const listener = createServer({ allowHalfOpen: false });
    await new Promise<void>((resolve, reject) => {
      listener.once('error', reject);
      listener.listen(0, '127.0.0.1', resolve);
    });
    return new TcpProxy(listener, targetPort);
  }

  get port(): number {
    return (this.listener.address() as AddressInfo).port;
  }

  /** Ends all connections: both sides see a FIN. */
  cut(): void {
    for (const { client, server } of this.pairs) {
      client.destroy();
      server.destroy();
    }
  }

  /** New connections lead elsewhere; those that are there stay. */
  leadTo(port: number): void {
    this.targetPort = port;
  }

  /** The ports from which the servers see the connections come. */
  get ports(): number[] {
    return [...this.pairs].flatMap(({ server }) => server.localPort ?? []);
  }

  /** Ends the connection that the server sees come from this port. */
  cutOne(port: number): void {
    const pair = this.pairOf(port);
    pair?.client.destroy();
    pair?.server.destroy();
  }

  /** No byte goes either way on the connection that the server sees come from this port. */
  stallOne(port: number): void {
    const pair = this.pairOf(port);
    if (!pair) return;
    pair.isStalled = true;
    pair.client.pause();
    pair.server.pause();
  }

  /** Ends all connections with a RST. */
  reset(): void {
    for (const { client, server } of this.pairs) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
  }

  /** No byte goes either way from now on, also on new connections. */
  stall(): void {
    this.stalled = true;
    for (const { client, server } of this.pairs) {
      client.pause();
      server.pause();
    }
  }

  resume(): void {
    this.stalled = false;
    for (const pair of this.pairs) {
      pair.isStalled = false;
      pair.client.resume();
      pair.server.resume();
    }
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.listener.close(() => resolve()));
    this.cut();
    await closed;
  }

  private pairOf(port: number): Pair | undefined {
    return [...this.pairs].find(({ server }) => server.localPort === port);
  }

  private link(client: Socket): void {
    const server = connect({ port: this.targetPort, host: '127.0.0.1' });
    const pair: Pair = { client, server, isStalled: false };
    this.pairs.add(pair);
    this.forward(pair, client, pair.server);
    this.forward(pair, pair.server, client);
    if (!this.stalled) return;
    client.pause();
    pair.server.pause();
  }

  /** By hand and not by `pipe`, which would resume a stalled socket once the other side has drained. */
  private forward(pair: Pair, from: Socket, to: Socket): void {
    from.setNoDelay(true);
    from.on('data', (chunk) => {
      if (to.write(chunk)) return;
      from.pause();
      to.once('drain', () => {
        if (!this.stalled && !pair.isStalled) from.resume();
      });
    });
    // A broken socket closes, and that takes the other one with it.
    from.on('error', () => undefined);
    from.on('close', () => {
      to.destroy();
      this.pairs.delete(pair);
    });
  }
}
