import type { TopologyName } from '../../support/redis/topology';
import type { RabbitMqServer, SqlServer } from '../../support/servers';
import { startMariadb, startMysql, startRabbitmq } from '../../support/servers';
import { Keeper } from '../../support/servers/keeper';
import type { AppPlan } from './app';
import { App } from './app';
import { AppGroup } from './app-group';
import type { Epoch } from './commit-order';
import { Journal } from './journal';
import type { ChaosRedis } from './redis';
import { openRedis } from './redis';
import { SqlPair } from './sql-pair';
import { schema } from './tables';
import { TcpProxy } from './tcp-proxy';

export type SqlKind = 'mysql' | 'mariadb';

/** Of all processes of the app. */
export const APP_NAME = 'chaos';
/** How long a leader that is frozen or cut off keeps the lead. */
const TAKEOVER_SECONDS = 2;

export interface WorldOptions {
  readonly rabbit: boolean;
  /** Another server that can take over from the source. */
  readonly replica?: boolean;
  readonly redis?: TopologyName;
}

/** The servers, the links of the app to them, and what happened. */
export class World {
  readonly journal = new Journal();
  private readonly apps: App[] = [];

  private constructor(
    readonly sql: SqlServer,
    readonly redis: ChaosRedis,
    readonly rabbit: RabbitMqServer | undefined,
    readonly links: {
      readonly sql: TcpProxy;
      readonly redis: readonly TcpProxy[];
      readonly rabbit?: TcpProxy;
    },
    readonly keeper: Keeper,
  ) {}

  static async open(kind: SqlKind, options: WorldOptions): Promise<World> {
    const keeper = Keeper.open('chaos');
    const startSql = kind === 'mysql' ? startMysql : startMariadb;
    const durable = ['--sync-binlog=1', '--innodb-flush-log-at-trx-commit=1'];
    const started = await Promise.allSettled([
      // In memory no commit would take the time in which races happen.
      options.replica ? SqlPair.open(kind, durable) : startSql({ args: durable, onDisk: true }),
      openRedis(options.redis ?? 'single', keeper.folder),
      options.rabbit ? startRabbitmq() : undefined,
    ]);
    const [sql, redis, rabbit] = started;
    if (sql.status === 'rejected' || redis.status === 'rejected' || rabbit.status === 'rejected') {
      const failed = started.find((each) => each.status === 'rejected');
      await Promise.all(
        started.map((each) => (each.status === 'fulfilled' ? each.value?.dispose() : undefined)),
      );
      await keeper.end();
      throw failed?.reason;
    }
    await sql.value.query(schema(kind));
    const links = {
      sql: await TcpProxy.open(sql.value.port),
      redis: redis.value.links,
      ...(rabbit.value ? { rabbit: await TcpProxy.open(rabbit.value.port) } : {}),
    };
    return new World(sql.value, redis.value, rabbit.value, links, keeper);
  }

  /** Who wrote when; nothing where one server writes all. */
  get epochs(): readonly Epoch[] {
    return this.sql instanceof SqlPair ? this.sql.epochs : [];
  }

  /** Processes of one app, with retries. Not started yet. */
  async group(processes: number, distribute: boolean): Promise<AppGroup> {
    if (processes === 1) return new AppGroup([await this.app('app', true, { distribute })]);
    const plan = { distribute, takeoverSeconds: TAKEOVER_SECONDS, slowHandlers: true };
    const labels = Array.from({ length: processes }, (_, at) => `app-${at + 1}`);
    return new AppGroup(await Promise.all(labels.map((label) => this.app(label, true, plan))));
  }

  /** An app that reaches the servers over the links. Not started yet. */
  async app(label = 'app', retry = false, more: Partial<AppPlan> = {}): Promise<App> {
    const { links, redis, rabbit } = this;
    const app = await App.open(
      this.keeper,
      {
        ...more,
        name: APP_NAME,
        mysqlPort: links.sql.port,
        redis: redis.appAddress,
        amqpUrl:
          retry && rabbit && links.rabbit
            ? rabbit.url.replace(`:${rabbit.port}/`, `:${links.rabbit.port}/`)
            : undefined,
      },
      label,
    );
    this.apps.push(app);
    return app;
  }

  /** Commands that wait in RabbitMQ for their next attempt. */
  async parked(): Promise<number> {
    if (!this.rabbit) return 0;
    const queues = await this.rabbit.control(
      'list_queues',
      '--quiet',
      '--no-table-headers',
      'name',
      'messages',
    );
    const waiting = queues.split('\n').filter((line) => line !== '' && !/\.dead\s/.test(line));
    return waiting.reduce((sum, line) => sum + Number(line.split('\t')[1]), 0);
  }

  async dispose(): Promise<void> {
    await Promise.all(this.apps.map((app) => app.dispose()));
    await Promise.all([this.links.sql.close(), this.links.rabbit?.close()]);
    await Promise.all([this.sql.dispose(), this.redis.dispose(), this.rabbit?.dispose()]);
    await this.keeper.end();
  }
}
