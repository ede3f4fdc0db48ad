import type {
  CacheflowOptions,
  EventsOptions,
  MysqlSourceOptions,
  QueueOptions,
  ReconnectOptions,
  RedisSource,
  StartAt,
} from '../options/cacheflow.options';
import { OptionCheck, isObject } from './option-check';
import { resolveGroup } from './option-group';
import { resolveEvents } from './resolve-events';
import type { ResolvedAuditOptions } from './resolve-audit';
import { resolveAudit } from './resolve-audit';
import { resolveBarrier } from './resolve-barrier';
import type { ResolvedCacheOptions } from './resolve-cache';
import { resolveCache } from './resolve-cache';
import { resolveMysql } from './resolve-mysql';
import { resolveCheckpoint, resolveStartAt } from './resolve-position';
import { resolveRedis } from './resolve-redis';
import type { ResolvedHandlerOptions } from './resolve-handlers';
import { resolveHandlers } from './resolve-handlers';
import type { ResolvedRetryOptions } from './resolve-retry';
import { resolveRetry } from './resolve-retry';
import { resolveTables } from './resolve-tables';
import type { ConfigurationFault } from '../errors/configuration.error';
import { TableRules } from '../keys/table-rules';

/** The options, checked and with all defaults. */
export interface CacheflowConfig {
  readonly mysql: MysqlSourceOptions;
  readonly serverId: number;
  readonly redis: RedisSource;
  readonly rules: TableRules;
  readonly startAt: StartAt;
  readonly checkpoint: NonNullable<CacheflowOptions['checkpoint']>;
  readonly election: NonNullable<CacheflowOptions['election']>;
  readonly takeoverSeconds: number;
  readonly onPositionLost: 'flush' | 'fail';
  readonly cascades: NonNullable<CacheflowOptions['cascades']>;
  /** The replica that has to show a change; undefined: the source itself. */
  readonly barrier: MysqlSourceOptions | undefined;
  readonly cache: ResolvedCacheOptions;
  readonly queue: Required<QueueOptions>;
  readonly handlers: ResolvedHandlerOptions;
  readonly events: Required<EventsOptions>;
  readonly reconnect: Required<ReconnectOptions>;
  readonly retry: ResolvedRetryOptions;
  /** Undefined: nothing is audited. */
  readonly audit: ResolvedAuditOptions | undefined;
  readonly watchdogMillis: number;
  readonly shutdownTimeoutMillis: number;
  /** Whether the options suffice to ask a server anything; without, there is nobody to ask. */
  readonly usable: { readonly mysql: boolean; readonly redis: boolean };
  /** What is wrong with the options; the start fails with all of it, and with what the server adds. */
  readonly faults: readonly ConfigurationFault[];
}

const OPTION_NAMES: Record<keyof CacheflowOptions, true> = {
  mysql: true,
  redis: true,
  tables: true,
  startAt: true,
  checkpoint: true,
  election: true,
  takeoverSeconds: true,
  onPositionLost: true,
  cascades: true,
  barrier: true,
  cache: true,
  queue: true,
  handlers: true,
  events: true,
  reconnect: true,
  retry: true,
  audit: true,
  watchdogMillis: true,
  shutdownTimeoutMillis: true,
};

/** Beyond, a typing error is likelier than a wish. */
const LONGEST_TAKEOVER_SECONDS = 3_600;

/** Checks the options and fills in the defaults. Never throws: what is wrong is listed in `faults`. */
export function resolveConfig(options: CacheflowOptions): CacheflowConfig {
  const check = new OptionCheck();
  const given: CacheflowOptions = isObject(options)
    ? options
    : (check.fault('options', 'they are missing', 'Pass an object to CacheflowModule.forRoot'),
      {} as CacheflowOptions);
  check.names('', given, OPTION_NAMES);
  const mysql = resolveMysql(check, given.mysql);
  const redis = resolveRedis(check, given.redis);
  const queue = resolveGroup(check, 'queue', given.queue, { maxRows: 5_000, maxBytes: 32 * 1024 * 1024 });
  const retry = resolveRetry(check, given.retry);
  const election = check.oneOf('election', given.election, ['source', 'redis', 'none']);
  const reconnect = resolveGroup(check, 'reconnect', given.reconnect, { minMillis: 100, maxMillis: 30_000 });
  const { watchdogMillis, shutdownTimeoutMillis, takeoverSeconds } = given;
  const single = dropUndefined({ watchdogMillis, shutdownTimeoutMillis, takeoverSeconds });
  const numbers = resolveGroup(check, '', single, {
    watchdogMillis: 15_000,
    shutdownTimeoutMillis: 10_000,
    takeoverSeconds: 10,
  });
  if (numbers.takeoverSeconds > LONGEST_TAKEOVER_SECONDS) {
    const fix = `Use at most ${LONGEST_TAKEOVER_SECONDS}`;
    check.fault('takeoverSeconds', 'nothing would be read for longer than an hour', fix);
  }
  return {
    mysql: mysql.options,
    serverId: mysql.serverId,
    redis: redis.source,
    rules: new TableRules(resolveTables(check, given.tables)),
    startAt: resolveStartAt(check, given.startAt),
    checkpoint: resolveCheckpoint(check, given.checkpoint),
    election,
    onPositionLost: check.oneOf('onPositionLost', given.onPositionLost, ['flush', 'fail']),
    cascades: check.oneOf('cascades', given.cascades, ['flush', 'warn']),
    barrier: resolveBarrier(check, given.barrier, mysql.options),
    cache: resolveCache(check, given.cache),
    queue,
    handlers: resolveHandlers(check, given.handlers, retry, election),
    events: resolveEvents(check, given.events),
    reconnect,
    retry,
    audit: resolveAudit(check, given.audit),
    ...numbers,
    usable: { mysql: mysql.isUsable, redis: redis.isUsable },
    faults: check.faults,
  };
}

function dropUndefined(object: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
}
