import type { ModuleMetadata, Type } from '@nestjs/common';
import type { Cluster, Redis, RedisOptions } from 'ioredis';
import type { ConnectionOptions } from 'mysql2';
import type { ConnectionOptions as TlsOptions } from 'node:tls';
import type { CacheSerializer } from './cache-serializer';
import type { CheckpointStore } from './checkpoint.store';
import type { Row } from '../change/change-event';
import type { InvalidatesFunction, KeyFunction, TableStrategy } from './table-strategy';

/** How the library keeps the cache of a table right. */
export const CacheStrategy = {
  /** Removes the keys of a changed row. The next reader loads the row again. This is the default. */
  CacheAside: 'cache-aside',
  /** Writes the changed row to its keys, by default as JSON. Removes the keys when the row is deleted. */
  WriteThrough: 'write-through',
} as const;
export type CacheStrategy = (typeof CacheStrategy)[keyof typeof CacheStrategy];

/** A password, or a function that the library calls before each connection, for credentials that rotate. */
export type PasswordSource = string | (() => string | Promise<string>);

/** The source: a MySQL (5.7 or later) or MariaDB (10.5 or later) server. */
export interface MysqlSourceOptions {
  /** @defaultValue `'127.0.0.1'` */
  host?: string;
  /** @defaultValue `3306` */
  port?: number;
  /** A Unix socket instead of host and port. */
  socketPath?: string;
  /** The account. It needs REPLICATION SLAVE and REPLICATION CLIENT on `*.*`, and SELECT on the watched tables. */
  user: string;
  /** @defaultValue `''` */
  password?: PasswordSource;
  /** TLS options as in mysql2: `{ ca, cert, key, rejectUnauthorized, … }`, or the name of a profile. */
  ssl?: ConnectionOptions['ssl'];
  /**
   * The replication server id. It must be unique among all replicas of the source. The environment variable
   * `CACHEFLOW_SERVER_ID` takes precedence over it.
   *
   * @defaultValue a random one between 2^30 and 2^32 - 1
   */
  serverId?: number;
  /** How long one attempt to connect may take, in milliseconds. @defaultValue `10000` */
  connectTimeoutMillis?: number;
  /**
   * As in mysql2: how DATE, DATETIME, and TIMESTAMP become `Date` objects: `'local'`, `'Z'`, or `'+HH:MM'`.
   *
   * @defaultValue `'local'`
   */
  timezone?: string;
  /** As in mysql2: dates arrive as strings, either all dates or those of the listed types. @defaultValue `false` */
  dateStrings?: boolean | ('TIMESTAMP' | 'DATETIME' | 'DATE')[];
  /** As in mysql2: DECIMAL arrives as a number, which loses digits. @defaultValue `false` */
  decimalNumbers?: boolean;
  /**
   * As in mysql2, except for the default: a BIGINT beyond 2^53 arrives as an exact string.
   *
   * @defaultValue `true`
   */
  supportBigNumbers?: boolean;
  /**
   * As in mysql2: every BIGINT arrives as a string. It also needs an explicit `supportBigNumbers: true`.
   *
   * @defaultValue `false`
   */
  bigNumberStrings?: boolean;
  /** As in mysql2: JSON columns arrive as text. @defaultValue `false` */
  jsonStrings?: boolean;
}

/** The replica of the source from which the app's readers load the values that they cache. */
export interface BarrierOptions {
  /** Required unless `socketPath` is set. */
  host?: string;
  /** @defaultValue `3306` */
  port?: number;
  /** A Unix socket instead of host and port. */
  socketPath?: string;
  /** The account on the replica. It needs no grants. @defaultValue that of `mysql` */
  user?: string;
  /** @defaultValue that of `mysql` */
  password?: PasswordSource;
  /** @defaultValue that of `mysql` */
  ssl?: ConnectionOptions['ssl'];
  /** How long one attempt to connect may take, in milliseconds. @defaultValue that of `mysql` */
  connectTimeoutMillis?: number;
}

/** Connection options of ioredis. The password may also be a function. */
export type RedisConnectionOptions = Omit<RedisOptions, 'password'> & { password?: PasswordSource };

/**
 * Where the cache is: connection options, a URL (`redis://`, `rediss://`), an ioredis `Redis` or `Cluster` object that
 * the app owns and that the library never closes, or a namespace of `@liaoliaots/nestjs-redis`.
 */
export type RedisSource = RedisConnectionOptions | string | Redis | Cluster | { namespace: string };

/** How the library treats the tables that `db` and `table` match. */
export interface TableOptions {
  /** The database. `*` stands for any run of characters. */
  db: string;
  /** The table. `*` stands for any run of characters. An exact name takes precedence over a pattern. */
  table: string;
  /**
   * A {@link CacheStrategy}, or an injectable class that implements {@link TableStrategy}.
   *
   * @defaultValue `'cache-aside'`
   */
  strategy?: CacheStrategy | Type<TableStrategy<never>>;
  /**
   * The key or keys of a row: a template such as `'profile:{user_id}'`, a list of templates, or a function of the row
   * that returns a key, a list of keys, or null for none. In a template, `{$db}` and `{$table}` stand for the names of
   * the database and the table, and `{{` and `}}` stand for literal braces.
   *
   * @defaultValue `<db>:<table>:<keyFields joined by ':', else id, else the primary key>`
   */
  key?: string | string[] | KeyFunction;
  /** The columns of the default key, in order. You cannot combine it with `key`. */
  keyFields?: string[];
  /** A prefix for every key of the table's rows. @defaultValue `''` */
  prefix?: string;
  /**
   * Names the keys and tags that a change of a row makes stale, besides the keys of the row itself.
   *
   * @example `invalidates: (change) => [`user:${change.after.user_id}:orders`, tag('org', change.after.org_id)]`
   */
  invalidates?: InvalidatesFunction;
  /**
   * Redis patterns that cover all keys that a `key` function or `invalidates` makes, such as `'profile:*'` or
   * `tag('org', '*')`. Required with either of them. The library uses the patterns to remove all of these keys if it
   * cannot determine the individual keys.
   */
  match?: string | string[];
  /** Time to live of written values, in seconds. @defaultValue none: they stay until changed or deleted */
  ttlSeconds?: number;
  /** How `audit` and `npx nestjs-cacheflow verify` compare the cached values of the table with its rows. */
  audit?: TableAuditOptions;
}

/** How the library compares the cached values of a table with its rows. */
export interface TableAuditOptions {
  /**
   * Decides whether a cached value agrees with a row, in place of the library. For cache-aside, the library compares
   * those properties of the cached object that have the name of a column.
   *
   * If no row has the key, the library does not call the function: a cached `null` is then right, and any other value
   * is wrong.
   *
   * @param cached the cached value, parsed, or as text if it cannot be parsed
   * @param row a row that has the key
   * @returns undefined if the two cannot be compared; a throw means the same
   */
  compare(cached: unknown, row: Row, key: string): boolean | undefined;
}

/** How the library reads values through the cache (`getOrLoad`, `@Cached`), and how it stores them. */
export interface CacheOptions {
  /** Turns values into text and back, for reads and for write-through. @defaultValue JSON, binary columns as base64 */
  serializer?: CacheSerializer;
  /** Time to live of the values that readers cache, in seconds. Infinity means no expiry. @defaultValue `3600` */
  ttlSeconds?: number;
  /** Time to live of a cached `null`, in seconds. With 0, `null` is not cached. @defaultValue `60` */
  negativeTtlSeconds?: number;
  /**
   * The largest share by which the library shortens a time to live at random. It keeps keys from expiring together.
   *
   * @defaultValue `0.1`
   */
  ttlJitter?: number;
  /** How long a load may take if its value is to be cached, in milliseconds. @defaultValue `10000` */
  leaseMillis?: number;
  /**
   * How long a reader waits for another process that loads the same key before it loads by itself, in milliseconds.
   *
   * @defaultValue `500`
   */
  waitMillis?: number;
  /** How long a reader waits for Redis before it continues without it, in milliseconds. @defaultValue `500` */
  timeoutMillis?: number;
  /**
   * How often the tail determines up to when the cache is right, and publishes that moment for all processes, in
   * milliseconds. See `maxStalenessMillis`.
   *
   * @defaultValue `500`
   */
  watermarkMillis?: number;
}

/** Where the tail begins at the first start, when there is no checkpoint yet. */
export type StartAt = 'latest' | 'earliest' | { file: string; offset: number } | { gtidSet: string };

/** Bounds of what the library has read from the source and not yet applied. Beyond a bound, it holds the socket. */
export interface QueueOptions {
  /** Rows in the queue. @defaultValue `5000` */
  maxRows?: number;
  /** Size of the row events in the queue, in bytes. @defaultValue `33554432` (32 MiB) */
  maxBytes?: number;
}

/** How the library runs `@OnBinlog` handlers. */
export interface HandlerOptions {
  /** How many handler calls may wait or run. When this queue is full, the cache waits too. @defaultValue `1000` */
  queueSize?: number;
  /** How many handler calls may run at the same time. Calls for one row never do. @defaultValue `16` */
  concurrency?: number;
  /** Calls of one handler for one change before the library gives up and reports the failure. @defaultValue `3` */
  maxAttempts?: number;
  /**
   * The wait before the second attempt, in milliseconds. It doubles with each further attempt, up to 30 seconds.
   *
   * @defaultValue `500`
   */
  backoffMillis?: number;
  /**
   * Spreads the calls over all processes of the group, through the RabbitMQ broker of `retry.mq`.
   *
   * @defaultValue `false`: the process that tails makes all calls
   */
  distribute?: boolean;
  /**
   * With `distribute`: how many queues the calls are spread over, which is also how many processes can share them. All
   * processes of a group need the same number, and it cannot change while calls wait.
   *
   * @defaultValue `12`
   */
  partitions?: number;
  /**
   * With `distribute`: the format of the messages, for other programs that read them.
   *
   * @defaultValue `'cacheflow'`
   */
  envelope?: 'cacheflow' | 'debezium';
}

/** Where `events$` has the changes, and how long the stream in Redis keeps them for the processes that read it. */
export interface EventsOptions {
  /**
   * `'leader'`: `events$` has the changes in the process that tails. `'everywhere'`: `events$` has every change of the
   * watched tables in every process. They then go through a stream in Redis.
   *
   * @defaultValue `'leader'`
   */
  delivery?: 'leader' | 'everywhere';
  /**
   * About how many entries the stream keeps. An entry holds the changes of one batch, at most 500. A process that is away
   * for longer is told that it missed changes.
   *
   * @defaultValue `10000`
   */
  maxLength?: number;
  /** About how many bytes of changes the stream keeps. @defaultValue `67108864` (64 MiB) */
  maxBytes?: number;
}

/** The waits between attempts to connect. They double with each attempt, with jitter. */
export interface ReconnectOptions {
  /** The first wait, in milliseconds. @defaultValue `100` */
  minMillis?: number;
  /** The longest wait, in milliseconds. @defaultValue `30000` */
  maxMillis?: number;
}

/** The RabbitMQ broker that carries the retries. It needs the package `@golevelup/nestjs-rabbitmq`. */
export interface RetryBrokerOptions {
  /** An `amqp://` or `amqps://` URL, or a list of them for the nodes of a cluster, which the library tries in turn. */
  url: string | string[];
  /** A durable direct exchange. @defaultValue `'cacheflow'` */
  exchange?: string;
  /**
   * The queue of the commands that the library tries again now. Commands that wait are in `<queue>.wait.<millis>`.
   * Groups with different data need different queues.
   *
   * @defaultValue `'cacheflow.retry'`; `'cacheflow.<name>.retry'` for a source with a name
   */
  queue?: string;
  /** The routing key of the queue. @defaultValue `'retry'` for the queue `'cacheflow.retry'`, else the queue's name */
  routingKey?: string;
  /** The exchange of the dead letters. @defaultValue `'<exchange>.dlx'` */
  dlx?: string;
  /** The queue of the dead letters. @defaultValue `'<queue>.dead'` */
  dlq?: string;
  /** TLS options for `amqps://`, in Node's form: `{ ca, cert, key, servername, … }`. */
  tls?: Pick<
    TlsOptions,
    | 'ca'
    | 'cert'
    | 'key'
    | 'pfx'
    | 'passphrase'
    | 'servername'
    | 'rejectUnauthorized'
    | 'minVersion'
    | 'ciphers'
  >;
}

/** What happens to a command that Redis refuses, and to a handler or strategy that keeps failing. */
export interface RetryOptions {
  /** False leaves `mq` unused. Commands are then retried in place, which holds the tail. @defaultValue `true` */
  enable?: boolean;
  /** Attempts of one command, including the first, before it becomes a dead letter. @defaultValue `3` */
  maxAttempts?: number;
  /** The wait before the second attempt, in milliseconds. It doubles with each further attempt. @defaultValue `500` */
  backoffMillis?: number;
  /** The longest wait between two attempts, in milliseconds. @defaultValue `60000` */
  maxBackoffMillis?: number;
  /** Parks the commands in RabbitMQ. The tail continues in the meantime. @defaultValue none: retried in place */
  mq?: RetryBrokerOptions;
}

/** Checks, for a sample of the changes that were applied, whether the cache still holds what the source holds. */
export interface AuditOptions {
  /** The share of the changes to check, from 0 to 1. @defaultValue `0.01` */
  sample?: number;
  /**
   * When to check a change: times after it was applied, in milliseconds.
   *
   * @defaultValue `[1000, 10000, 60000]`
   */
  horizonsMillis?: number[];
  /** Removes the keys of wrong values. Faults are reported either way. @defaultValue `false` */
  repair?: boolean;
  /** How many changes may wait for their checks. Changes that do not fit count as skipped. @defaultValue `1000` */
  maxPending?: number;
}

/** The options of `CacheflowModule.forRoot`. */
export interface CacheflowOptions {
  /** The source whose binlog the library reads. */
  mysql: MysqlSourceOptions;
  /** Where the cache is. */
  redis: RedisSource;
  /** The tables to watch. See also the {@link tables} helper. */
  tables: TableOptions[];
  /** Where the tail begins if there is no checkpoint. @defaultValue `'latest'` */
  startAt?: StartAt;
  /**
   * Where the library stores the checkpoint: in Redis next to the data, in a file, or in a store of your own. A file, or a
   * store without `isFenced`, serves one process only.
   *
   * @defaultValue `'redis'`
   */
  checkpoint?: 'redis' | { file: string } | CheckpointStore | Type<CheckpointStore>;
  /**
   * How the processes of one `name` decide which of them reads the binlog, while the others stand by. `'source'` takes a
   * lock on the source (`GET_LOCK`), over a connection of its own: a standby takes over some milliseconds after the leader
   * has gone. `'redis'` holds a key in Redis, for sources that refuse locks (Galera in strict mode). With `'none'`, each
   * process reads the binlog by itself.
   *
   * @defaultValue `'source'`
   */
  election?: 'source' | 'redis' | 'none';
  /**
   * How long a leader that is frozen or cut off keeps the lead, in seconds. Its event loop must not be blocked for that
   * long. With `election: 'redis'`, a standby waits as long as this for a leader that has crashed, too.
   *
   * @defaultValue `10`
   */
  takeoverSeconds?: number;
  /**
   * What the library does if it missed changes: the source purged them, its binlog was reset, or another server took
   * over without them. `'flush'` removes all keys of the watched tables and continues from now. `'fail'` stops the
   * tail.
   *
   * @defaultValue `'flush'`
   */
  onPositionLost?: 'flush' | 'fail';
  /**
   * What the library does if the source does not log the rows that foreign keys change (ON DELETE or ON UPDATE with
   * CASCADE or SET NULL): MariaDB, and MySQL before 9.6. `'flush'` removes all keys of a watched table when a row that
   * such a foreign key refers to changes, no matter which table that row is in. `'warn'` only names the foreign keys in
   * the log.
   *
   * @defaultValue `'flush'`
   */
  cascades?: 'flush' | 'warn';
  /**
   * The replica that must show a change before the library touches the cache, for apps whose readers use the replica.
   *
   * @defaultValue the source itself
   */
  barrier?: BarrierOptions;
  /** The defaults of reads through the cache, and how values are stored. */
  cache?: CacheOptions;
  /** Bounds of what the library reads ahead. */
  queue?: QueueOptions;
  /** How the library runs `@OnBinlog` handlers. */
  handlers?: HandlerOptions;
  /** Where `events$` has the changes, and how long they are kept for processes that read them late. */
  events?: EventsOptions;
  /** The waits between attempts to connect. */
  reconnect?: ReconnectOptions;
  /** How often the library retries a failed command, and where the command waits in the meantime. */
  retry?: RetryOptions;
  /** Checks a sample of the changes again. `{}` uses the defaults. @defaultValue none: nothing is checked */
  audit?: AuditOptions;
  /**
   * How long the replication connection may be silent before the library asks the source for its position, in
   * milliseconds.
   *
   * @defaultValue `15000`
   */
  watchdogMillis?: number;
  /** How long a shutdown may take to finish the work in hand, in milliseconds. @defaultValue `10000` */
  shutdownTimeoutMillis?: number;
}

/** The options that belong to the module itself. They are static, because injection tokens depend on them. */
export interface CacheflowExtras {
  /**
   * Distinguishes several sources in one app. It is also the name of the checkpoint, and of the group: processes of one
   * name that use the same Redis share one tail.
   *
   * @defaultValue `'default'`
   */
  name?: string;
  /** Makes the exported services available to all modules of the app. @defaultValue `true` */
  isGlobal?: boolean;
}

/** What a class for `forRootAsync({ useClass })` or `forRootAsync({ useExisting })` implements. */
export interface CacheflowOptionsFactory {
  /** Returns the options. */
  createCacheflowOptions(): CacheflowOptions | Promise<CacheflowOptions>;
}

/** The options of `CacheflowModule.forRootAsync`. */
export interface CacheflowAsyncOptions extends Pick<ModuleMetadata, 'imports'>, CacheflowExtras {
  useFactory?: ((...args: never[]) => CacheflowOptions | Promise<CacheflowOptions>) | undefined;
  useClass?: Type<CacheflowOptionsFactory> | undefined;
  useExisting?: Type<CacheflowOptionsFactory> | undefined;
  inject?: unknown[] | undefined;
}

/**
 * Makes entries of `tables` with the same strategy for many tables of one database.
 *
 * @example `tables: [...tables('shop', CacheStrategy.WriteThrough, 'orders', 'items')]`
 */
export function tables(
  db: string,
  strategy: CacheStrategy | Type<TableStrategy<never>>,
  ...names: string[]
): TableOptions[] {
  return names.map((table) => ({ db, table, strategy }));
}
