import { isRefusal } from './redis-writer';

/** A connection to one server. */
interface Server {
  info(section: string): Promise<string>;
}

/** What tells one run of a server from the next; empty where the user may not ask. */
export async function runIdOf(server: Server): Promise<string> {
  return /^run_id:(\w+)/m.exec(await ask(server, 'server'))?.[1] ?? '';
}

/**
 * What tells the data of a master from those that it has after a restart, and from those that it has after it was a
 * replica for a while: its run id, and the replication history that it took over (`master_replid2` of INFO).
 */
export async function historyOf(server: Server): Promise<string> {
  const [runId, replication] = await Promise.all([runIdOf(server), ask(server, 'replication')]);
  const takenOver = /^master_replid2:0*([1-9a-f]\w*)/m.exec(replication)?.[1];
  return takenOver === undefined ? runId : `${runId}.${takenOver}`;
}

/** Whether it says that it copies another one; no where the user may not ask. */
export async function isReplica(server: Server): Promise<boolean> {
  return /^role:slave/m.test(await ask(server, 'replication'));
}

async function ask(server: Server, section: string): Promise<string> {
  try {
    return await server.info(section);
  } catch (cause) {
    if (isRefusal(cause)) return '';
    throw cause;
  }
}
