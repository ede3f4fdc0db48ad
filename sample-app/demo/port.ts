import { createServer } from 'node:net';

const USUAL_PORT = 3000;

/** The port that was asked for, else 3000 when it is free, else any (0). */
export async function choosePort(wanted: number | undefined): Promise<number> {
  if (wanted !== undefined) return wanted;
  return (await isFree(USUAL_PORT)) ? USUAL_PORT : 0;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
