import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';

const LOWEST = 15_000;
const USUAL_EPHEMERAL_START = 32_768;

/**
 * A port that nobody listens on, below the range from which the kernel takes the ports of outgoing
 * connections. Within that range a client that keeps reconnecting to a killed server can be given the
 * server's own port: it then talks to itself, and the server cannot come back.
 */
export async function freePort(): Promise<number> {
  const end = ephemeralStart();
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = LOWEST + Math.floor(Math.random() * (end - LOWEST));
    if (await canListen(port)) return port;
  }
  throw new Error(`No free port found between ${LOWEST} and ${end}`);
}

function ephemeralStart(): number {
  try {
    const start = Number(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split(/\s/)[0]);
    return start > LOWEST + 1000 ? start : USUAL_EPHEMERAL_START;
  } catch {
    // Not Linux: other systems begin higher still.
    return USUAL_EPHEMERAL_START;
  }
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
