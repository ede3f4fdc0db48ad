import { setTimeout as sleep } from 'node:timers/promises';
import type { App } from './app';
import type { AppGroup } from './app-group';
import { GROUP_FAULTS } from './group-faults';
import type { Random } from './random';
import type { TopologyName } from '../../support/redis/topology';
import { redisFaultNames } from './redis';
import type { TcpProxy } from './tcp-proxy';
import type { World } from './world';

/** What faults work on. */
export interface FaultScene {
  readonly world: World;
  /** The process that is hit. */
  readonly app: App;
  /** All of them. */
  readonly apps: AppGroup;
  readonly random: Random;
  /** Compares the cache with the database now: what follows would remove the evidence. */
  check(): Promise<void>;
  /** Waits until the app has saved a checkpoint for all that was committed so far. */
  checkpointed(): Promise<void>;
  /** Does this while nothing is written that a killed server could have half. */
  withoutFragileWrites(work: () => Promise<void>): Promise<void>;
  /** Does this while nobody writes and nothing is left open. */
  withoutWrites(work: () => Promise<void>): Promise<void>;
  /** Goes on in the background, until the end at the latest. */
  later(kind: string, work: () => Promise<void>): void;
  /** Resolves when what goes on under this name has ended. */
  finished(kind: string): Promise<void>;
}

/** Resolves when the fault is over and healed. */
export type Fault = (scene: FaultScene) => Promise<void>;

/** What is done to the servers besides Redis, the app and the links, by name. */
const FAULTS: Readonly<Record<string, Fault>> = {
  'app-kill': async ({ app, random }) => {
    await app.kill();
    await sleep(random.int(0, 1_000));
    await app.start();
  },
  'app-term': async ({ app, random }) => {
    if (!(await app.terminate())) throw new Error('The app did not end in time after SIGTERM');
    await sleep(random.int(0, 1_000));
    await app.start();
  },
  'app-stop': async ({ app, random }) => {
    app.pause();
    await sleep(random.int(1_000, 5_000));
    app.resume();
  },
  'sql-kill': async ({ world: { sql }, random, withoutFragileWrites }) => {
    await withoutFragileWrites(async () => {
      await sql.kill();
      await sleep(random.int(0, 500));
      await sql.start();
    });
  },
  'sql-stop': async ({ world: { sql }, random }) => {
    sql.pause();
    await sleep(random.int(1_000, 3_000));
    sql.resume();
  },
  'rabbit-kill': async ({ world: { rabbit }, later }) => {
    await rabbit?.kill();
    // It takes its time to come back; what else happens meanwhile shall.
    later('rabbit', async () => rabbit?.start());
  },
  'rabbit-stop': async ({ world: { rabbit }, random, later }) => {
    rabbit?.pause();
    const millis = random.int(2_000, 5_000);
    later('rabbit', async () => {
      await sleep(millis);
      rabbit?.resume();
    });
  },
  'link-cut': async ({ world, random }) => anyLink(world, random).cut(),
  'link-reset': async ({ world, random }) => anyLink(world, random).reset(),
  'link-stall': async ({ world, random }) => {
    const link = anyLink(world, random);
    link.stall();
    await sleep(random.int(1_000, 4_000));
    link.resume();
  },
  'dump-kill': async ({ world: { sql } }) => {
    const threads = await sql.query<{ Id: number; Command: string }>('SHOW PROCESSLIST');
    for (const { Id: id, Command: command } of threads)
      if (command.startsWith('Binlog Dump')) await sql.query(`KILL ${id}`);
  },
  'log-rotate': async ({ world: { sql } }) => {
    await sql.query('FLUSH BINARY LOGS');
  },
  'semi-sync': async ({ world, random, check }) => {
    const stall = stallCommits(world, random.int(1_000, 2_000));
    // The commits that hang now are the last ones before the check, so that nothing mends what they did.
    await sleep(300);
    await Promise.all([stall, check()]);
  },
};

/** The names of all faults of a run on this Redis, with so many processes of the app. */
export function faultNames(redis: TopologyName, processes = 1): string[] {
  const names = Object.keys(FAULTS);
  // In this place, so that a seed stands for the same faults in the same order as ever.
  names.splice(names.indexOf('sql-stop') + 1, 0, ...redisFaultNames(redis));
  return processes > 1 ? [...names, ...Object.keys(GROUP_FAULTS)] : names;
}

/** Resolves when the fault is over and healed. */
export async function inject(kind: string, scene: FaultScene): Promise<void> {
  const fault = FAULTS[kind] ?? GROUP_FAULTS[kind];
  await (fault ? fault(scene) : scene.world.redis.inject(kind, scene));
}

/** Whether another server has to be there that takes over from the source. */
export function needsReplica(kind: string): boolean {
  return kind === 'failover';
}

/** Whether the fault is done to RabbitMQ. */
export function hitsRabbit(kind: string): boolean {
  return kind.startsWith('rabbit');
}

/** Whether commands go to RabbitMQ because of the fault, or it is done to it. */
export function needsRabbit(kind: string): boolean {
  return hitsRabbit(kind) || kind === 'redis-oom';
}

/**
 * Commits are in the binlog and can be read `millis` later only: the server waits for a replica that does not come.
 */
async function stallCommits({ sql }: Pick<World, 'sql'>, millis: number): Promise<void> {
  const name = sql.kind === 'mysql' ? 'rpl_semi_sync_source' : 'rpl_semi_sync_master';
  if (sql.kind === 'mysql') {
    const installed = await sql.query(
      "SELECT 1 FROM information_schema.plugins WHERE plugin_name = 'rpl_semi_sync_source'",
    );
    if (installed.length === 0)
      await sql.query("INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'");
  }
  await sql.query(`
    SET GLOBAL ${name}_wait_point = AFTER_SYNC;
    SET GLOBAL ${name}_timeout = ${millis};
    SET GLOBAL ${name}_${sql.kind === 'mysql' ? 'wait_no_replica' : 'wait_no_slave'} = ON;
    SET GLOBAL ${name}_enabled = ON`);
  await sleep(millis + 300);
  await sql.query(`SET GLOBAL ${name}_enabled = OFF`);
}

function anyLink({ links }: World, random: Random): TcpProxy {
  return random.pick([links.sql, random.pick(links.redis), ...(links.rabbit ? [links.rabbit] : [])]);
}
