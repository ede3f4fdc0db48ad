import type { Type } from '@nestjs/common';
import type {
  CacheflowOptions,
  HandlerOptions,
  MysqlSourceOptions,
  QueueOptions,
  ReconnectOptions,
  RedisSource,
  StartAt,
  TableOptions,
} from './cacheflow.options';
import { CacheStrategy } from './cacheflow.options';
import { chooseServerId, isServerId } from './binlog/server-id';
import type { CheckpointStore } from './checkpoint/checkpoint.store';
import type { ConfigurationFault } from './errors/configuration.error';
import { isRedisClient } from './redis/redis-client';
import { KeyTemplate } from './strategy/key-template';
import type { KeySource, TableRule } from './strategy/table-rules';
import { TableRules } from './strategy/table-rules';
import { nearMisses } from './support/near-misses';

export type ResolvedHandlerOptions = Required<HandlerOptions>;

/** The options, checked and with all defaults. */
export interface CacheflowConfig {
  readonly mysql: MysqlSourceOptions;
  readonly serverId: number;
  readonly redis: RedisSource;
  readonly rules: TableRules;
  readonly startAt: StartAt;
  readonly checkpoint: 'redis' | { file: string } | CheckpointStore | Type<CheckpointStore>;
  readonly queue: Required<QueueOptions>;
  readonly handlers: ResolvedHandlerOptions;
  readonly reconnect: Required<ReconnectOptions>;
  readonly watchdogMillis: number;
  readonly shutdownTimeoutMillis: number;
  /** What is wrong with the options; the start fails with all of it, and with what the server adds. */
  readonly faults: readonly ConfigurationFault[];
}

const OPTION_NAMES: Record<keyof CacheflowOptions, true> = {
  mysql: true,
  redis: true,
  tables: true,
  startAt: true,
  checkpoint: true,
  queue: true,
  handlers: true,
  reconnect: true,
  watchdogMillis: true,
  shutdownTimeoutMillis: true,
};
const MYSQL_NAMES: Record<keyof MysqlSourceOptions, true> = {
  host: true,
  port: true,
  socketPath: true,
  user: true,
  password: true,
  ssl: true,
  serverId: true,
  connectTimeoutMillis: true,
  timezone: true,
  dateStrings: true,
  decimalNumbers: true,
  supportBigNumbers: true,
  bigNumberStrings: true,
  jsonStrings: true,
};
const TABLE_NAMES: Record<keyof TableOptions, true> = {
  db: true,
  table: true,
  strategy: true,
  key: true,
  keyFields: true,
  prefix: true,
  match: true,
  ttlSeconds: true,
};

/** Checks the options and fills in the defaults. Never throws: what is wrong is listed in `faults`. */
export function resolveConfig(options: CacheflowOptions): CacheflowConfig {
  const check = new OptionCheck();
  const given: CacheflowOptions = isObject(options)
    ? options
    : (check.fault('options', 'they are missing', 'Pass an object to CacheflowModule.forRoot'),
      {} as CacheflowOptions);
  check.names('', given, OPTION_NAMES);
  const mysql = resolveMysql(check, given.mysql);
  const queue = group(check, 'queue', given.queue, { maxRows: 5_000, maxBytes: 32 * 1024 * 1024 });
  const handlers = group(check, 'handlers', given.handlers, {
    queueSize: 1_000,
    concurrency: 16,
    maxAttempts: 3,
    backoffMillis: 500,
  });
  const reconnect = group(check, 'reconnect', given.reconnect, { minMillis: 100, maxMillis: 30_000 });
  const single = { watchdogMillis: given.watchdogMillis, shutdownTimeoutMillis: given.shutdownTimeoutMillis };
  const { watchdogMillis, shutdownTimeoutMillis } = group(check, '', dropUndefined(single), {
    watchdogMillis: 15_000,
    shutdownTimeoutMillis: 10_000,
  });
  return {
    mysql: mysql.options,
    serverId: mysql.serverId,
    redis: resolveRedis(check, given.redis),
    rules: new TableRules(resolveTables(check, given.tables)),
    startAt: resolveStartAt(check, given.startAt),
    checkpoint: resolveCheckpoint(check, given.checkpoint),
    queue,
    handlers,
    reconnect,
    watchdogMillis,
    shutdownTimeoutMillis,
    faults: check.faults,
  };
}

/** Collects faults. */
class OptionCheck {
  readonly faults: ConfigurationFault[] = [];

  fault(subject: string, problem: string, fix: string): void {
    this.faults.push({ subject, problem, fix });
  }

  /** Finds options that do not exist. */
  names(path: string, given: object, known: Record<string, true>): void {
    for (const name of Object.keys(given)) {
      if (Object.hasOwn(known, name)) continue;
      const [near] = nearMisses(name, Object.keys(known));
      this.fault(
        path ? `${path}.${name}` : name,
        'there is no such option',
        near
          ? `Did you mean \`${near}\`?`
          : `Remove it; the options here are ${Object.keys(known).join(', ')}`,
      );
    }
  }

  positiveInteger(subject: string, value: unknown): boolean {
    if (typeof value === 'number' && Number.isInteger(value) && value > 0) return true;
    this.fault(
      subject,
      'it has to be a whole number above 0',
      'Set it to one or leave it out for the default',
    );
    return false;
  }

  text(subject: string, value: unknown): boolean {
    if (typeof value === 'string' && value !== '') return true;
    this.fault(subject, 'it has to be a string that is not empty', `Set \`${subject}\``);
    return false;
  }
}

function resolveMysql(check: OptionCheck, given: unknown): { options: MysqlSourceOptions; serverId: number } {
  if (!isObject(given)) {
    check.fault(
      'mysql',
      'it is missing',
      "Set it, e.g. { host: '127.0.0.1', port: 3306, user: 'cacheflow', password: '…' }",
    );
    return { options: { user: '' }, serverId: 1 };
  }
  const options = given as unknown as MysqlSourceOptions;
  check.names('mysql', given, MYSQL_NAMES);
  check.text('mysql.user', options.user);
  if (options.port !== undefined) check.positiveInteger('mysql.port', options.port);
  if (options.connectTimeoutMillis !== undefined) {
    check.positiveInteger('mysql.connectTimeoutMillis', options.connectTimeoutMillis);
  }
  if (options.serverId !== undefined && !isServerId(options.serverId)) {
    check.fault(
      'mysql.serverId',
      'it is no server id',
      'Use a whole number from 1 to 4294967295, or leave it out',
    );
  }
  if (options.timezone !== undefined && !/^(local|Z|[+-]\d\d:\d\d)$/.test(options.timezone)) {
    check.fault('mysql.timezone', 'it is no time zone', "Use 'local', 'Z' or an offset such as '+08:00'");
  }
  let serverId = 1;
  try {
    serverId = chooseServerId(options.serverId);
  } catch (error) {
    check.fault(
      'CACHEFLOW_SERVER_ID',
      (error as RangeError).message,
      'Correct or unset the environment variable',
    );
  }
  return { options, serverId };
}

function resolveRedis(check: OptionCheck, given: unknown): RedisSource {
  const usable = typeof given === 'string' ? given !== '' : isObject(given);
  if (!usable) {
    check.fault(
      'redis',
      'it is missing',
      "Set it to connection options ({ host, port }), a URL, an ioredis client or { namespace: '…' }",
    );
    return {};
  }
  if (typeof given === 'string' && !/^(rediss?|unix):|^\//.test(given)) {
    check.fault('redis', 'the string is no URL', "Write e.g. 'redis://127.0.0.1:6379/0'");
  }
  if (isObject(given) && !isRedisClient(given) && 'namespace' in given)
    check.text('redis.namespace', given['namespace']);
  return given as RedisSource;
}

function resolveTables(check: OptionCheck, given: unknown): TableRule[] {
  if (!Array.isArray(given) || given.length === 0) {
    check.fault('tables', 'no table is watched', "List at least one, e.g. [{ db: 'user', table: 'users' }]");
    return [];
  }
  const rules = given.flatMap((entry: unknown, index) => resolveTable(check, entry, index) ?? []);
  for (const [at, rule] of rules.entries()) {
    const twin = rules.slice(0, at).find((each) => each.db === rule.db && each.table === rule.table);
    if (twin) {
      check.fault(
        `tables[${rule.index}]`,
        `${rule.db}.${rule.table} is listed twice, also as tables[${twin.index}]`,
        'Keep one entry; for several keys give it a list of templates',
      );
    }
  }
  return rules;
}

function resolveTable(check: OptionCheck, given: unknown, index: number): TableRule | undefined {
  const path = `tables[${index}]`;
  if (!isObject(given)) {
    check.fault(path, 'it is no object', "Write e.g. { db: 'user', table: 'users' }");
    return undefined;
  }
  const entry = given as unknown as TableOptions;
  check.names(path, given, TABLE_NAMES);
  const named = [check.text(`${path}.db`, entry.db), check.text(`${path}.table`, entry.table)].every(Boolean);
  const strategy = entry.strategy ?? CacheStrategy.CacheAside;
  if (typeof strategy !== 'function' && !Object.values(CacheStrategy).includes(strategy)) {
    check.fault(
      `${path}.strategy`,
      'it is no strategy',
      "Use 'cache-aside', 'write-through' or the class of an injectable that implements TableStrategy",
    );
  }
  if (entry.ttlSeconds !== undefined) check.positiveInteger(`${path}.ttlSeconds`, entry.ttlSeconds);
  if (entry.prefix !== undefined && typeof entry.prefix !== 'string') {
    check.fault(`${path}.prefix`, 'it is no string', 'Use a string or leave it out');
  }
  if (entry.ttlSeconds !== undefined && strategy === CacheStrategy.CacheAside) {
    check.fault(
      `${path}.ttlSeconds`,
      'cache-aside writes no values, so that it would do nothing',
      "Leave it out, or set strategy: 'write-through'",
    );
  }
  const key = resolveKey(check, path, entry);
  if (!named || !key) return undefined;
  return {
    index,
    db: entry.db,
    table: entry.table,
    strategy,
    key,
    prefix: entry.prefix ?? '',
    ttlSeconds: entry.ttlSeconds,
  };
}

function resolveKey(check: OptionCheck, path: string, entry: TableOptions): KeySource | undefined {
  const { key, keyFields } = entry;
  const match = entry.match === undefined ? [] : [entry.match].flat();
  if (key !== undefined && keyFields !== undefined) {
    check.fault(path, '`key` and `keyFields` exclude each other', 'Keep one of them');
  }
  if (typeof key === 'function') {
    if (match.length === 0 || match.some((pattern) => typeof pattern !== 'string' || pattern === '')) {
      check.fault(
        `${path}.match`,
        'a key function cannot be turned around, so that the pattern of its keys has to be named',
        "Set `match` to the Redis pattern(s) that all its keys match, e.g. 'profile:*'",
      );
    }
    return { kind: 'function', make: key, match };
  }
  if (match.length > 0) {
    check.fault(
      `${path}.match`,
      'only a key function needs it',
      'Leave it out: patterns are derived from templates',
    );
  }
  if (key !== undefined) return resolveTemplates(check, `${path}.key`, key);
  const named =
    Array.isArray(keyFields) && keyFields.length > 0 && keyFields.every((field) => typeof field === 'string');
  if (keyFields !== undefined && !named) {
    check.fault(`${path}.keyFields`, 'it is no list of columns', "Write e.g. ['tenant_id', 'id']");
  }
  return { kind: 'default', fields: named ? keyFields : undefined };
}

function resolveTemplates(check: OptionCheck, path: string, key: string | string[]): KeySource | undefined {
  const sources: unknown[] = [key].flat();
  const templates: KeyTemplate[] = [];
  if (sources.length === 0) check.fault(path, 'the list is empty', "Write e.g. ['profile:{user_id}']");
  for (const source of sources) {
    try {
      if (typeof source !== 'string') throw new SyntaxError('it is neither a template nor a function');
      templates.push(new KeyTemplate(source));
    } catch (error) {
      check.fault(path, (error as SyntaxError).message, "Name columns in braces, e.g. 'profile:{user_id}'");
    }
  }
  return templates.length > 0 ? { kind: 'templates', templates } : undefined;
}

function resolveStartAt(check: OptionCheck, given: unknown): StartAt {
  if (given === undefined || given === 'latest' || given === 'earliest') return given ?? 'latest';
  if (isObject(given) && typeof given['gtidSet'] === 'string') return { gtidSet: given['gtidSet'] };
  if (isObject(given) && typeof given['file'] === 'string' && Number.isInteger(given['offset'])) {
    return { file: given['file'], offset: Number(given['offset']) };
  }
  check.fault(
    'startAt',
    'it is no place in a binlog',
    "Use 'latest', 'earliest', { file, offset } or { gtidSet }",
  );
  return 'latest';
}

function resolveCheckpoint(
  check: OptionCheck,
  given: CacheflowOptions['checkpoint'],
): CacheflowConfig['checkpoint'] {
  if (given === undefined || given === 'redis' || typeof given === 'function') return given ?? 'redis';
  if (isObject(given)) {
    if ('file' in given && typeof given.file === 'string' && given.file !== '') return { file: given.file };
    const store = given as Partial<CheckpointStore>;
    if (typeof store.load === 'function' && typeof store.save === 'function') return store as CheckpointStore;
  }
  check.fault('checkpoint', 'it is no checkpoint store', "Use 'redis', { file: '…' } or a CheckpointStore");
  return 'redis';
}

/** A group of optional positive whole numbers, with their defaults. */
function group<T extends Record<string, number>>(
  check: OptionCheck,
  path: string,
  given: unknown,
  defaults: T,
): T {
  if (given === undefined) return defaults;
  if (!isObject(given)) {
    check.fault(path, 'it is no object', 'Write an object or leave it out');
    return defaults;
  }
  check.names(path, given, Object.fromEntries(Object.keys(defaults).map((name) => [name, true as const])));
  const resolved = { ...defaults };
  for (const name of Object.keys(defaults) as (keyof T & string)[]) {
    const value = given[name];
    if (value !== undefined && check.positiveInteger(path ? `${path}.${name}` : name, value)) {
      resolved[name] = value as T[typeof name];
    }
  }
  return resolved;
}

function dropUndefined(object: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
