import type { ModuleMetadata, Type } from '@nestjs/common';
import type { Cluster, Redis, RedisOptions } from 'ioredis';
import type { ConnectionOptions } from 'mysql2';
import type { ConnectionOptions as TlsOptions } from 'node:tls';
import type { CacheSerializer } from './cache-serializer';
import type { CheckpointStore } from './checkpoint.store';
import type { Row } from '../change/change-event';
import type { InvalidatesFunction, KeyFunction, TableStrategy } from './table-strategy';

/** How the cache of a table is kept right. */
export const CacheStrategy = {
  /** Delete the keys of a changed row; the next reader loads it anew. The default. */
  CacheAside: 'cache-aside',
  /** Write the changed row, as JSON, to its keys; delete them when the row is deleted. */
  WriteThrough: 'write-through',
} as const;
export type CacheStrategy = (typeof CacheStrategy)[keyof typeof CacheStrategy];

/** A password, or a function that is asked for it before each connection (rotating credentials). */
export type PasswordSource = string | (() => string | Promise<string>);

/** The source: a MySQL (5.7 or later) or MariaDB (10.5 or later) server. */
export interface MysqlSourceOptions {
  /** @defaultValue `'127.0.0.1'` */
  host?: string;
  /** @defaultValue `3306` */
  port?: number;
  /** A Unix socket instead of host and port. */
  socketPath?: string;
  /** Needs REPLICATION SLAVE and REPLICATION CLIENT on `*.*` and SELECT on the watched tables. */
  user: string;
  /** @defaultValue `''` */
  password?: PasswordSource;
  /** TLS, in mysql2's form: `{ ca, cert, key, rejectUnauthorized, … }` or the name of a profile. */
  ssl?: ConnectionOptions['ssl'];
  /**
   * The replication server id, unique among all replicas of the source. The environment's
   * `CACHEFLOW_SERVER_ID` wins over it.
   *
   * @defaultValue a random one between 2^30 and 2^32 - 1
   */
  serverId?: number;
  /** @defaultValue `10000` */
  connectTimeoutMillis?: number;
  /** As in mysql2: how DATETIME and TIMESTAMP become `Date`s: `'local'`, `'Z'` or `'+HH:MM'`. @defaultValue `'local'` */
  timezone?: string;
  /** As in mysql2: dates as strings, all or those of the named types. @defaultValue `false` */
  dateStrings?: boolean | ('TIMESTAMP' | 'DATETIME' | 'DATE')[];
  /** As in mysql2: DECIMAL as numbers, which loses digits. @defaultValue `false` */
  decimalNumbers?: boolean;
  /**
   * As in mysql2, except for the default: BIGINTs beyond 2^53 arrive as exact strings.
   *
   * @defaultValue `true`
   */
  supportBigNumbers?: boolean;
  /** As in mysql2: all BIGINTs as strings. @defaultValue `false` */
  bigNumberStrings?: boolean;
  /** As in mysql2: JSON columns as text. @defaultValue `false` */
  jsonStrings?: boolean;
}

/** A replica of the source, where the app's readers load what they put into the cache. */
export interface BarrierOptions {
  host?: string;
  /** @defaultValue `3306` */
  port?: number;
  /** A Unix socket instead of host and port. */
  socketPath?: string;
  /** Needs no grant. @defaultValue that of `mysql`, as are `password`, `ssl` and `connectTimeoutMillis` */
  user?: string;
  password?: PasswordSource;
  ssl?: ConnectionOptions['ssl'];
  connectTimeoutMillis?: number;
}

/** Connection options of ioredis, with a password that may be a function. */
export type RedisConnectionOptions = Omit<RedisOptions, 'password'> & { password?: PasswordSource };

/**
 * Where the cache is: connection options, a URL (`redis://`, `rediss://`), an ioredis `Redis` or `Cluster`
 * that the app owns (it is never closed by us), or a namespace of `@liaoliaots/nestjs-redis`.
 */
export type RedisSource = RedisConnectionOptions | string | Redis | Cluster | { namespace: string };

/** What is done for the tables that `db` and `table` match. */
export interface TableOptions {
  /** The database; `*` stands for any run of characters. */
  db: string;
  /** The table; `*` stands for any run of characters. An exact name goes before a pattern. */
  table: string;
  /**
   * A {@link CacheStrategy}, or the class of an injectable that implements {@link TableStrategy}.
   *
   * @defaultValue `'cache-aside'`
   */
  strategy?: CacheStrategy | Type<TableStrategy<never>>;
  /**
   * The key or keys of a row: a template such as `'profile:{user_id}'`, a list of templates, or a function of
   * the row that returns a key, a list of keys, or null for none. In a template `{$db}` and `{$table}` stand
   * for the names, `{{` and `}}` for literal braces.
   *
   * @defaultValue `<db>:<table>:<keyFields joined by ':', else id, else the primary key>`
   */
  key?: string | string[] | KeyFunction;
  /** The columns of the default key, in order. Not together with `key`. */
  keyFields?: string[];
  /** Put before every key of the table. @defaultValue `''` */
  prefix?: string;
  /**
   * Further keys and tags that a change of a row makes stale, besides the keys of the row itself.
   *
   * @example `invalidates: (change) => [`user:${change.after.user_id}:orders`, tag('org', change.after.org_id)]`
   */
  invalidates?: InvalidatesFunction;
  /**
   * Redis patterns that every key matches which a `key` function or `invalidates` makes, e.g. `'profile:*'` or
   * `tag('org', '*')`; needed with either. They serve to remove all of them when single ones cannot be told.
   */
  match?: string | string[];
  /** Time to live of written values, in seconds. @defaultValue none: they stay until changed or deleted */
  ttlSeconds?: number;
  /** How cached values of the table are compared with its rows, by `audit` and by `npx nestjs-cacheflow verify`. */
  audit?: TableAuditOptions;
}

/** How a table's cached values are compared with its rows. */
export interface TableAuditOptions {
  /**
   * Decides instead of the library, which for cache-aside compares those properties of the cached object that have the
   * name of a column. It is given what is cached (parsed; as text where it cannot be), a row that has the key, and the
   * key; undefined means that the two cannot be compared, and so does a throw. It is not asked about a cached `null`
   * or value where no row has the key: such a null is right, such a value is wrong.
   */
  compare(cached: unknown, row: Row, key: string): boolean | undefined;
}

/** How values are read through the cache (`getOrLoad`, `@Cached`), and what is stored. */
export interface CacheOptions {
  /** Turns values into text and back, also those of write-through. @defaultValue JSON, binary columns as base64 */
  serializer?: CacheSerializer;
  /** Time to live of what readers cache, in seconds; Infinity for none. @defaultValue `3600` */
  ttlSeconds?: number;
  /** The same for the answer that there is nothing (`null`); 0 does not cache it. @defaultValue `60` */
  negativeTtlSeconds?: number;
  /** The share by which a time to live is shortened at random at most, so that keys do not expire together. @defaultValue `0.1` */
  ttlJitter?: number;
  /** How long a loader may take for its value to be cached, in milliseconds. @defaultValue `10000` */
  leaseMillis?: number;
  /** How long a reader waits for another process that loads the same key, before it loads by itself. @defaultValue `500` */
  waitMillis?: number;
  /** How long a reader waits for Redis, before it goes on without it. @defaultValue `500` */
  timeoutMillis?: number;
  /** How often it is found out, and told to other processes, up to when the cache is right; see `maxStalenessMillis`. @defaultValue `500` */
  watermarkMillis?: number;
}

/** Where the first start begins, when there is no checkpoint yet. */
export type StartAt = 'latest' | 'earliest' | { file: string; offset: number } | { gtidSet: string };

/** Bounds of what is read from the source but not yet applied; beyond them the socket is paused. */
export interface QueueOptions {
  /** @defaultValue `5000` */
  maxRows?: number;
  /** Size of the row events in the queue. @defaultValue `33554432` (32 MiB) */
  maxBytes?: number;
}

/** How `@OnBinlog` handlers are run. */
export interface HandlerOptions {
  /** Handler calls that wait or run; when full, cache maintenance waits too. @defaultValue `1000` */
  queueSize?: number;
  /** Handler calls that run at the same time; those of one row never do. @defaultValue `16` */
  concurrency?: number;
  /** Calls of one handler for one change before it is given up and reported. @defaultValue `3` */
  maxAttempts?: number;
  /** Wait before the second attempt; it doubles with each further one. @defaultValue `500` */
  backoffMillis?: number;
}

/** Waits between attempts to connect: exponential, with jitter. */
export interface ReconnectOptions {
  /** @defaultValue `100` */
  minMillis?: number;
  /** @defaultValue `30000` */
  maxMillis?: number;
}

/** The RabbitMQ that carries the retries. Needs the package `@golevelup/nestjs-rabbitmq`. */
export interface RetryBrokerOptions {
  /** `amqp://` or `amqps://`; several for the nodes of a cluster, which are tried in turn. */
  url: string | string[];
  /** A durable direct exchange. @defaultValue `'cacheflow'` */
  exchange?: string;
  /**
   * The queue of what is to be tried again now; `<queue>.wait.<millis>` are those of what waits. Groups with
   * different data need different queues.
   *
   * @defaultValue `'cacheflow.retry'`; `'cacheflow.<name>.retry'` for a source with a name
   */
  queue?: string;
  /** @defaultValue `'retry'`; the queue's name for a queue of another name than `'cacheflow.retry'` */
  routingKey?: string;
  /** The exchange of the dead letters. @defaultValue `'<exchange>.dlx'` */
  dlx?: string;
  /** The queue of the dead letters. @defaultValue `'<queue>.dead'` */
  dlq?: string;
  /** TLS of `amqps://`, in Node's form: `{ ca, cert, key, servername, … }`. */
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

/** What becomes of a command that Redis refuses, and of a handler or strategy that keeps failing. */
export interface RetryOptions {
  /** False leaves `mq` unused: commands are tried again in place, holding the tail. @defaultValue `true` */
  enable?: boolean;
  /** Attempts of one command, with the first one, before it becomes a dead letter. @defaultValue `3` */
  maxAttempts?: number;
  /** Wait before the second attempt; it doubles with each further one. @defaultValue `500` */
  backoffMillis?: number;
  /** The longest wait between two attempts. @defaultValue `60000` */
  maxBackoffMillis?: number;
  /** Parks the commands in RabbitMQ, so that the tail goes on meanwhile. @defaultValue none: tried again in place */
  mq?: RetryBrokerOptions;
}

/** Checks a sample of the changes again after they were applied: whether what is cached is what the source holds. */
export interface AuditOptions {
  /** The share of the changes that is checked, from 0 to 1. @defaultValue `0.01` */
  sample?: number;
  /**
   * When a change is looked at again: times after it was applied, in milliseconds.
   *
   * @defaultValue `[1000, 10000, 60000]`
   */
  horizonsMillis?: number[];
  /** Remove the keys of wrong values. Faults are reported either way. @defaultValue `false` */
  repair?: boolean;
  /** Changes that wait for their checks at most; what does not fit is counted as skipped. @defaultValue `1000` */
  maxPending?: number;
}

/** The options of `CacheflowModule.forRoot`. */
export interface CacheflowOptions {
  /** The source whose binlog is read. */
  mysql: MysqlSourceOptions;
  /** Where the cache is. */
  redis: RedisSource;
  /** What to watch; see also the {@link tables} helper. */
  tables: TableOptions[];
  /** Where to begin when there is no checkpoint. @defaultValue `'latest'` */
  startAt?: StartAt;
  /**
   * Where the checkpoint is kept: in Redis beside the data, in a file, or in a store of your own.
   *
   * @defaultValue `'redis'`
   */
  checkpoint?: 'redis' | { file: string } | CheckpointStore | Type<CheckpointStore>;
  /**
   * What to do when changes were missed: the source has purged them, its binlog was reset, or another server without
   * them took over. `'flush'` removes all keys of the watched tables and goes on from now; `'fail'` stops the tail.
   *
   * @defaultValue `'flush'`
   */
  onPositionLost?: 'flush' | 'fail';
  /**
   * What to do where the source does not log the rows that foreign keys change (ON DELETE or ON UPDATE with CASCADE or
   * SET NULL): MariaDB, and MySQL before 9.6. `'flush'` removes all keys of a watched table when a row that such a
   * foreign key refers to changes, in whatever table it is; `'warn'` only names the foreign keys in the log.
   *
   * @defaultValue `'flush'`
   */
  cascades?: 'flush' | 'warn';
  /**
   * The replica on which a change has to be readable before the cache is touched, for apps whose readers use it.
   *
   * @defaultValue the source itself
   */
  barrier?: BarrierOptions;
  /** Defaults of what readers do, and how values are stored. */
  cache?: CacheOptions;
  queue?: QueueOptions;
  handlers?: HandlerOptions;
  reconnect?: ReconnectOptions;
  /** How often a command that failed is tried again, and where it waits meanwhile. */
  retry?: RetryOptions;
  /** Looks at a sample of the changes again; `{}` for the defaults. @defaultValue none: nothing is looked at */
  audit?: AuditOptions;
  /** Silence on the replication connection after which the source is asked for its position. @defaultValue `15000` */
  watchdogMillis?: number;
  /** How long a shutdown may take to finish the batch in hand. @defaultValue `10000` */
  shutdownTimeoutMillis?: number;
}

/** What a module may be told beside the options: static, because injection tokens depend on it. */
export interface CacheflowExtras {
  /** Tells several sources in one app apart; also the name of the checkpoint. @defaultValue `'default'` */
  name?: string;
  /** @defaultValue `true` */
  isGlobal?: boolean;
}

/** For `forRootAsync({ useClass })` and `{ useExisting }`. */
export interface CacheflowOptionsFactory {
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
 * The same strategy for many tables of one database.
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
