import { Redis } from 'ioredis';
import type { Pool } from 'mysql2/promise';
import { createPool } from 'mysql2/promise';
import type { RedisServer, SqlServer } from '../../test/support/servers';
import { waitFor } from '../../test/support/wait-for';
import { MeasuredProcess } from './measured-process';
import type { AppOptions, More } from './question';

const CONNECTIONS = 16;
const KEYSPACE_EVENTS = '__keyevent@0__:del';
const SETTLE_MILLIS = 30_000;

/** The servers, what the bench itself does to them, and the processes that it measures. */
export class Stage {
  private readonly processes = new Set<MeasuredProcess>();
  private readonly onExit = (): void => this.end();
  private groups = 0;

  private constructor(
    readonly sql: SqlServer,
    readonly redisServer: RedisServer,
    readonly redis: Redis,
    private readonly subscriber: Redis,
    private readonly pool: Pool,
  ) {
    // A process that is frozen does not notice that we are gone.
    process.once('exit', this.onExit);
  }

  static async open(sql: SqlServer, redisServer: RedisServer): Promise<Stage> {
    await redisServer.command('CONFIG', 'SET', 'notify-keyspace-events', 'Eg');
    const subscriber = new Redis(redisServer.port);
    await subscriber.subscribe(KEYSPACE_EVENTS);
    const pool = createPool({ ...sql.connectionOptions(), connectionLimit: CONNECTIONS });
    return new Stage(sql, redisServer, new Redis(redisServer.port), subscriber, pool);
  }

  async close(): Promise<void> {
    process.removeListener('exit', this.onExit);
    await Promise.all([...this.processes].map((each) => each.kill()));
    this.redis.disconnect();
    this.subscriber.disconnect();
    await this.pool.end();
  }

  /** Those of one group, which no other group knows of. */
  optionsOfNewGroup(options: Partial<AppOptions> = {}): AppOptions {
    return {
      name: `bench-${++this.groups}`,
      mysql: this.sql.connectionOptions(),
      redis: { port: this.redisServer.port },
      tables: [{ db: 'bench', table: 'items' }],
      ...options,
    };
  }

  async load(): Promise<MeasuredProcess> {
    const started = await MeasuredProcess.load();
    this.processes.add(started);
    return started;
  }

  /** Resolves when it has booted. */
  async start(options: AppOptions, more: More = {}): Promise<MeasuredProcess> {
    const started = await this.load();
    await started.ask('boot', options, more);
    return started;
  }

  async startAll(count: number, options: AppOptions, more: More = {}): Promise<MeasuredProcess[]> {
    return Promise.all(Array.from({ length: count }, () => this.start(options, more)));
  }

  /** Resolves once one of them leads, and all others stand by and know all. */
  async settled(group: readonly MeasuredProcess[]): Promise<Settled> {
    const settled = await waitFor<Settled | undefined>(
      async () => {
        const statuses = await Promise.all(group.map((each) => each.ask('status')));
        const at = statuses.findIndex((status) => status.group.role === 'leader');
        const leader = group[at];
        const isSettled = statuses.every(
          ({ state, group: { members } }, index) =>
            members.length === group.length && state === (index === at ? 'streaming' : 'standby'),
        );
        return leader && isSettled
          ? { leader, standbys: group.filter((each) => each !== leader) }
          : undefined;
      },
      { message: `one leader and ${group.length - 1} standbys`, timeoutMillis: SETTLE_MILLIS },
    );
    return settled as Settled;
  }

  /** Changes one row, in a transaction of its own. */
  async change(id: number): Promise<void> {
    await this.pool.query('UPDATE bench.items SET price = price + 1 WHERE id = ?', [id]);
  }

  /** Caches the key of a row; the promise gives when it has gone, by `performance.now()`. */
  async cacheAndWatch(id: number): Promise<{ readonly gone: Promise<number> }> {
    const key = `bench:items:${id}`;
    await this.redis.set(key, 'cached');
    const gone = new Promise<number>((resolve) => {
      const onMessage = (_channel: string, removed: string): void => {
        if (removed !== key) return;
        this.subscriber.off('message', onMessage);
        resolve(performance.now());
      };
      this.subscriber.on('message', onMessage);
    });
    return { gone };
  }

  private end(): void {
    for (const each of this.processes) void each.kill();
  }
}

export interface Settled {
  readonly leader: MeasuredProcess;
  readonly standbys: readonly MeasuredProcess[];
}
