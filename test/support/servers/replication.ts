import { waitFor } from '../wait-for';
import type { RedisServer } from './server-handle';

/**
 * A replica gets nothing more from its master, as behind a broken link. To stop its process would not do: what the
 * master has sent by then waits for it in the socket.
 */
export async function cutOffReplicas(replicas: readonly RedisServer[]): Promise<void> {
  for (const replica of replicas) {
    // The master knows no password, and refuses the link.
    await replica.command('CONFIG', 'SET', 'masterauth', 'none');
    await replica.command('CLIENT', 'KILL', 'TYPE', 'master');
    await waitFor(
      async () => (await replica.command<string>('INFO', 'replication')).includes('master_link_status:down'),
      { message: 'the link of a replica to break' },
    );
  }
}

export async function reconnectReplicas(replicas: readonly RedisServer[]): Promise<void> {
  for (const replica of replicas) await replica.command('CONFIG', 'SET', 'masterauth', '');
}

/** Brings back what a test has killed or stopped. */
export async function revive(servers: readonly RedisServer[]): Promise<void> {
  for (const server of servers) {
    server.resume();
    if (!(await server.isAlive())) await server.start();
  }
}
