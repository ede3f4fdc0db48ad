import { setTimeout as sleep } from 'node:timers/promises';
import { lockName } from '../../../lib/group/lock-name';
import { groupKey } from '../../../lib/redis/own-keys';
import { waitFor } from '../../support/wait-for';
import type { Fault, FaultScene } from './faults';
import { SqlPair } from './sql-pair';
import type { World } from './world';
import { APP_NAME } from './world';

const CAUGHT_UP_MILLIS = 60_000;

/** What is done to a group of processes, by name. */
export const GROUP_FAULTS: Readonly<Record<string, Fault>> = {
  'leader-kill': async ({ apps, random }) => {
    const { app } = await apps.leader();
    await app.kill();
    await apps.leader();
    await sleep(random.int(0, 1_000));
    await app.start();
  },
  // It wakes up as yesterday's leader.
  'leader-freeze': async ({ apps, random }) => {
    const { app } = await apps.leader();
    app.pause();
    try {
      await apps.leader();
      await sleep(random.int(0, 1_000));
    } finally {
      app.resume();
    }
  },
  'lock-cut': async (scene) => {
    const { apps, world } = scene;
    const { term } = (await apps.leader()).status.group;
    await lose(await found(() => lockSessions(world)), scene);
    await apps.leader((status) => status.group.term > term);
    world.links.sql.resume();
  },
  'dump-cut': async (scene) => {
    const { apps, world } = scene;
    await apps.leader();
    await lose(await found(() => dumpSessions(world)), scene);
    await apps.caughtUp(CAUGHT_UP_MILLIS);
    world.links.sql.resume();
  },
  // One process after another, as a deployment does it.
  rolling: async ({ apps, random }) => {
    for (const app of apps.all) {
      if (!(await app.terminate())) throw new Error('The app did not end in time after SIGTERM');
      await app.start();
      await sleep(random.int(0, 500));
    }
  },
  failover: async (scene) => {
    const { world, apps, finished, later, withoutPrepared, withoutWrites, checkpointed } = scene;
    const { sql, links } = world;
    if (!(sql instanceof SqlPair)) throw new Error('There is no replica');
    await finished('failover');
    // The rows of one that was prepared on the old source cannot be read again, which is told and costs its events.
    await withoutPrepared(async () => {
      await checkpointed();
      await withoutWrites(async () => {
        await sql.failOver();
        links.sql.leadTo(sql.port);
        links.sql.cut();
      });
    });
    await apps.leader();
    // The other one comes back while everything goes on.
    later('failover', () => sql.rejoin());
  },
};

/** Sessions of the apps on the source, by the port from which the server sees them come. */
interface Session {
  readonly id: number;
  readonly port: number;
}

async function lockSessions(world: World): Promise<Session[]> {
  const redis = world.redis.connect();
  try {
    const group = (await redis.hget(groupKey(APP_NAME, ''), 'id')) ?? '';
    const [holder] = await world.sql.query<{ id: number | null }>('SELECT IS_USED_LOCK(?) AS id', [
      lockName(APP_NAME, group),
    ]);
    return (await sessions(world)).filter(({ id }) => id === holder?.id);
  } finally {
    redis.disconnect();
  }
}

async function dumpSessions(world: World): Promise<Session[]> {
  return (await sessions(world)).filter(({ command }) => command.startsWith('Binlog Dump'));
}

/** A replica's is not among them. */
async function sessions({ sql, links }: World): Promise<(Session & { command: string })[]> {
  const rows = await sql.query<{ Id: number; Host: string; Command: string }>('SHOW PROCESSLIST');
  const ports = new Set(links.sql.ports);
  return rows
    .map(({ Id: id, Host: host, Command: command }) => ({ id, command, port: Number(host.split(':')[1]) }))
    .filter(({ port }) => ports.has(port));
}

/** A leader may be connecting anew. */
async function found(look: () => Promise<Session[]>): Promise<Session[]> {
  return waitFor(
    async () => {
      const seen = await look();
      return seen.length > 0 ? seen : undefined;
    },
    { timeoutMillis: CAUGHT_UP_MILLIS, message: 'a session of the leader' },
  );
}

/** They are ended by the server, or by both sides, or nothing comes through any more. */
async function lose(lost: readonly Session[], { world, random }: FaultScene): Promise<void> {
  const way = random.pick(['kill', 'cut', 'stall']);
  for (const { id, port } of lost) {
    if (way === 'kill') await world.sql.query(`KILL ${id}`);
    else if (way === 'cut') world.links.sql.cutOne(port);
    else world.links.sql.stallOne(port);
  }
}
