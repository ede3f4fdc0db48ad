import { once } from 'node:events';
import type { Server, Socket } from 'node:net';
import { connect, createServer } from 'node:net';

const COM_QUERY = 3;
const HEADER = 4;

/** A TCP proxy that answers statements with a word in them by an error, as a server that does not support them. */
export class RefusingProxy {
  private readonly sockets = new Set<Socket>();

  private constructor(private readonly server: Server) {}

  static async start(port: number, word: string, refusal: string): Promise<RefusingProxy> {
    const server = createServer();
    const proxy = new RefusingProxy(server);
    server.on('connection', (client) => {
      const upstream = connect(port, '127.0.0.1');
      for (const socket of [client, upstream]) {
        proxy.sockets.add(socket);
        socket.on('error', () => undefined);
        socket.on('close', () => {
          client.destroy();
          upstream.destroy();
        });
      }
      upstream.pipe(client);
      client.on('data', (chunk: Buffer) => {
        const isQuery = chunk[HEADER] === COM_QUERY;
        if (isQuery && chunk.includes(word)) client.write(errorPacket(refusal));
        else upstream.write(chunk);
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  get port(): number {
    const address = this.server.address();
    if (address === null || typeof address === 'string') throw new Error('The proxy does not listen');
    return address.port;
  }

  async dispose(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }
}

/** ER_UNKNOWN_ERROR, as PXC sends it. */
function errorPacket(message: string): Buffer {
  const body = Buffer.concat([Buffer.from([0xff, 1105 & 0xff, 1105 >> 8]), Buffer.from(`#HY000${message}`)]);
  return Buffer.concat([Buffer.from([body.length & 0xff, body.length >> 8, 0, 1]), body]);
}
