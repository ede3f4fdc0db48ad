import { afterEach, describe, expect, it, vi } from 'vitest';
import type { CacheflowOptions } from '../../../lib';
import { CacheStrategy, tables } from '../../../lib';
import { resolveConfig } from '../../../lib/config/cacheflow.config';
import { faultLines } from '../../support/refused-boot';

const GOOD: CacheflowOptions = {
  mysql: { user: 'cacheflow' },
  redis: {},
  tables: [{ db: 'user', table: 'users' }],
};

/** The faults of options that no compiler has seen, as they come from a file or from JavaScript. */
function faultsOf(change: Record<string, unknown>): string[] {
  return faultLines(resolveConfig({ ...GOOD, ...change } as unknown as CacheflowOptions).faults);
}

function tableFaults(...entries: unknown[]): string[] {
  return faultsOf({ tables: entries });
}

const makeKey = (): string => 'k';

afterEach(() => vi.unstubAllEnvs());

describe('the options', () => {
  it('are taken without a fault when they are right, with the documented defaults', () => {
    const config = resolveConfig(GOOD);
    expect(config).toMatchObject({
      faults: [],
      startAt: 'latest',
      checkpoint: 'redis',
      queue: { maxRows: 5_000, maxBytes: 33_554_432 },
      handlers: {
        queueSize: 1_000,
        concurrency: 16,
        maxAttempts: 3,
        backoffMillis: 500,
        distribute: false,
        partitions: 12,
        envelope: 'cacheflow',
      },
      events: { delivery: 'leader', maxLength: 10_000, maxBytes: 67_108_864 },
      reconnect: { minMillis: 100, maxMillis: 30_000 },
      watchdogMillis: 15_000,
      shutdownTimeoutMillis: 10_000,
    });
    expect(config.serverId).toBeGreaterThanOrEqual(2 ** 30);
  });

  it('of distributed handlers need RabbitMQ, and are checked', () => {
    const mq = { url: 'amqp://localhost/' };
    const handlers = { distribute: true, partitions: 3, envelope: 'debezium' } as const;
    expect(resolveConfig({ ...GOOD, handlers, retry: { mq } })).toMatchObject({ faults: [], handlers });
    const needed = /^handlers\.distribute: the calls travel through RabbitMQ, .* \| Set `retry\.mq\.url`/;
    expect(faultsOf({ handlers })).toEqual([expect.stringMatching(needed)]);
    expect(faultsOf({ handlers, retry: { mq, enable: false } })).toEqual([expect.stringMatching(needed)]);
    expect(faultsOf({ handlers, retry: { mq }, election: 'none' })).toEqual([
      expect.stringMatching(/^handlers\.distribute: with `election: 'none'`, each process publishes/),
    ]);
    expect(
      faultsOf({ handlers: { distribute: 'yes', partitions: 257, envelope: 'avro' }, retry: { mq } }),
    ).toEqual([
      'handlers.partitions: there are too many | Use at most 256',
      'handlers.distribute: it is neither true nor false | Use one of them or leave it out',
      "handlers.envelope: there is no such choice | Use 'cacheflow' or 'debezium'",
    ]);
    expect(faultsOf({ handlers: { partition: 3 } })).toEqual([
      'handlers.partition: there is no such option | Did you mean `partitions`?',
    ]);
    expect(faultsOf({ handlers: 3 })).toEqual([
      'handlers: it is no object | Write an object or leave it out',
    ]);
  });

  it('of the auditor have defaults, and it is off without them', () => {
    expect(resolveConfig(GOOD).audit).toBeUndefined();
    expect(resolveConfig({ ...GOOD, audit: {} }).audit).toEqual({
      sample: 0.01,
      horizonsMillis: [1_000, 10_000, 60_000],
      repair: false,
      maxPending: 1_000,
    });
    expect(resolveConfig({ ...GOOD, audit: { horizonsMillis: [9, 5, 9] } }).audit?.horizonsMillis).toEqual([
      5, 9,
    ]);
  });

  it('of the replica to wait for fall back on those of the source', () => {
    const mysql = { user: 'u', password: 'p', host: 'source', port: 3307, connectTimeoutMillis: 5 };
    const config = resolveConfig({ ...GOOD, mysql, barrier: { host: 'replica', password: 'q' } });
    expect(config).toMatchObject({ faults: [], barrier: { host: 'replica', user: 'u', password: 'q' } });
    expect(config.barrier).not.toHaveProperty('port');
    expect(config.barrier?.connectTimeoutMillis).toBe(5);
    expect(resolveConfig(GOOD).barrier).toBeUndefined();
  });

  it.each([undefined, null, 'mysql://…', []])('that are no object are one fault: %s', (options) => {
    const [first] = faultLines(resolveConfig(options as unknown as CacheflowOptions).faults);
    expect(first).toMatch(/^(options: they are missing|mysql: it is missing)/);
  });

  it('that are missing are listed together', () => {
    expect(faultLines(resolveConfig({} as CacheflowOptions).faults)).toEqual([
      expect.stringMatching(/^mysql: it is missing \| Set it, e\.g\. \{ host:/),
      expect.stringMatching(/^redis: it is missing \| Set it to connection options/),
      expect.stringMatching(/^tables: no table is watched \| List at least one/),
    ]);
  });

  it.each([
    [{ tabels: [] }, 'tabels: there is no such option | Did you mean `tables`?'],
    [
      { mysql: { user: 'u', pasword: '' } },
      'mysql.pasword: there is no such option | Did you mean `password`?',
    ],
    [{ queue: { maxrows: 1 } }, 'queue.maxrows: there is no such option | Did you mean `maxRows`?'],
    [
      { handlers: { concurency: 1 } },
      'handlers.concurency: there is no such option | Did you mean `concurrency`?',
    ],
    [{ barrier: { hots: 'r', host: 'r' } }, 'barrier.hots: there is no such option | Did you mean `host`?'],
    [
      { reconnect: { minMilis: 1 } },
      'reconnect.minMilis: there is no such option | Did you mean `minMillis`?',
    ],
    [
      { tables: [{ db: 'a', table: 'b', ttlSecond: 3 }] },
      'tables[0].ttlSecond: there is no such option | Did you mean `ttlSeconds`?',
    ],
  ])('that do not exist are found at every level, with the near miss: %j', (change, fault) => {
    expect(faultsOf(change)).toEqual([fault]);
  });

  it('that do not exist and look like nothing are told what there is', () => {
    expect(faultsOf({ queue: { zebra: 1 } })).toEqual([
      'queue.zebra: there is no such option | Remove it; the options here are maxRows, maxBytes',
    ]);
  });

  it.each([
    [{ mysql: { user: '' } }, /^mysql\.user: it has to be a string that is not empty/],
    [{ mysql: { user: 'u', port: 0 } }, /^mysql\.port: it has to be a whole number above 0/],
    [{ mysql: { user: 'u', port: '3306' } }, /^mysql\.port: it has to be a whole number above 0/],
    [{ mysql: { user: 'u', serverId: 0 } }, /^mysql\.serverId: it is no server id \| .*4294967295/],
    [{ mysql: { user: 'u', serverId: 2 ** 32 } }, /^mysql\.serverId: it is no server id/],
    [
      { mysql: { user: 'u', timezone: 'Europe/Berlin' } },
      /^mysql\.timezone: it is no time zone \| .*'\+08:00'/,
    ],
    [{ mysql: { user: 'u', connectTimeoutMillis: -1 } }, /^mysql\.connectTimeoutMillis: /],
    [{ redis: 'localhost' }, /^redis: the string is no URL \| Write e\.g\. 'redis:\/\//],
    [{ redis: { namespace: '' } }, /^redis\.namespace: it has to be a string/],
    [{ startAt: { gtidSet: 'garbage' } }, /^startAt: it is no place in a binlog/],
    [{ name: 'orders' }, /^name: a factory cannot set it \| Put it beside useFactory/],
    [{ mysql: { user: 'a', host: 5 } }, /^mysql\.host: it has to be a string/],
    [{ onPositionLost: 'ignore' }, /^onPositionLost: there is no such choice \| Use 'flush' or 'fail'/],
    [{ cascades: 'nonsense' }, /^cascades: there is no such choice \| Use 'flush' or 'warn'/],
    [{ startAt: 'now' }, /^startAt: it is no place in a binlog \| Use 'latest'/],
    [{ startAt: { file: 'binlog.1' } }, /^startAt: it is no place in a binlog/],
    [{ checkpoint: { path: 'x' } }, /^checkpoint: it is no checkpoint store \| /],
    [{ queue: { maxRows: 1.5 } }, /^queue\.maxRows: it has to be a whole number above 0/],
    [{ queue: 7 }, /^queue: it is no object/],
    [{ events: 'everywhere' }, /^events: it is no object/],
    [
      { events: { delivery: 'all' } },
      /^events\.delivery: there is no such choice \| Use 'leader' or 'everywhere'/,
    ],
    [
      { events: { delivry: 'leader' } },
      /^events\.delivry: there is no such option \| Did you mean `delivery`\?/,
    ],
    [{ events: { maxLength: 0 } }, /^events\.maxLength: it has to be a whole number above 0/],
    [{ barrier: 'replica' }, /^barrier: it is no object \| Write e\.g\. \{ host: 'replica'/],
    [{ barrier: {} }, /^barrier\.host: it has to be a string that is not empty/],
    [{ barrier: { host: 'replica', port: '3306' } }, /^barrier\.port: it has to be a whole number above 0/],
    [{ barrier: { host: 'replica', user: '' } }, /^barrier\.user: it has to be a string/],
    [{ barrier: { socketPath: 5 } }, /^barrier\.socketPath: it has to be a string/],
    [{ barrier: { host: 'r', connectTimeoutMillis: 0 } }, /^barrier\.connectTimeoutMillis: /],
    [{ audit: 'yes' }, /^audit: it is no object \| Write e\.g\. \{ sample: 0\.01 \}/],
    [{ audit: { smaple: 1 } }, /^audit\.smaple: there is no such option \| Did you mean `sample`\?/],
    [{ audit: { sample: 2 } }, /^audit\.sample: it is no share of the changes \| Use a number from 0 to 1/],
    [{ audit: { sample: NaN } }, /^audit\.sample: it is no share/],
    [{ audit: { repair: 1 } }, /^audit\.repair: it is neither true nor false/],
    [{ audit: { maxPending: 0 } }, /^audit\.maxPending: it has to be a whole number above 0/],
    [{ audit: { horizonsMillis: [] } }, /^audit\.horizonsMillis: it is no list of times/],
    [{ audit: { horizonsMillis: [0] } }, /^audit\.horizonsMillis: it is no list of times/],
    [{ audit: { horizonsMillis: [2 ** 31] } }, /^audit\.horizonsMillis: it is no list of times/],
    [{ watchdogMillis: 0 }, /^watchdogMillis: it has to be a whole number above 0/],
    [{ shutdownTimeoutMillis: '1s' }, /^shutdownTimeoutMillis: it has to be a whole number above 0/],
  ])('with a wrong value are named: %j', (change, fault) => {
    expect(faultsOf(change)).toEqual([expect.stringMatching(fault)]);
  });

  it('are not believed to hold the right server id when CACHEFLOW_SERVER_ID does not', () => {
    vi.stubEnv('CACHEFLOW_SERVER_ID', 'seven');
    expect(faultsOf({})).toEqual([
      'CACHEFLOW_SERVER_ID: CACHEFLOW_SERVER_ID has to be a whole number from 1 to 4294967295 | ' +
        'Correct or unset the environment variable',
    ]);
  });

  it('yield to CACHEFLOW_SERVER_ID', () => {
    vi.stubEnv('CACHEFLOW_SERVER_ID', '77');
    expect(resolveConfig({ ...GOOD, mysql: { user: 'u', serverId: 5 } }).serverId).toBe(77);
  });
});

describe('an entry of `tables`', () => {
  it.each([
    [{ table: 'users' }, /^tables\[0\]\.db: it has to be a string that is not empty/],
    [{ db: 'user', table: 3 }, /^tables\[0\]\.table: it has to be a string that is not empty/],
    ['user.users', /^tables\[0\]: it is no object \| Write e\.g\. \{ db: 'user'/],
    [
      { db: 'a', table: 'b', strategy: 'write-behind' },
      /^tables\[0\]\.strategy: it is no strategy \| Use 'cache-aside'/,
    ],
    [
      { db: 'a', table: 'b', ttlSeconds: 60 },
      /^tables\[0\]\.ttlSeconds: cache-aside writes no values.* \| Leave it out, or set strategy: 'write-through'/,
    ],
    [
      { db: 'a', table: 'b', strategy: 'write-through', ttlSeconds: 0 },
      /^tables\[0\]\.ttlSeconds: it has to be a whole number above 0/,
    ],
    [
      { db: 'a', table: 'b', key: 'user' },
      /^tables\[0\]\.key: the template "user" names no column.* \| Name columns/,
    ],
    [
      { db: 'a', table: 'b', key: '{$db}:{$table}' },
      /names no column, so that all rows would have the same key/,
    ],
    [
      { db: 'a', table: 'b', key: 'user:{id' },
      /has a brace without a column name at character 6; literal braces are written \{\{ and \}\}/,
    ],
    [{ db: 'a', table: 'b', key: 'user:{ }' }, /has a brace without a column name at character 6/],
    [{ db: 'a', table: 'b', key: 'user:id}' }, /has a brace without a column name at character 8/],
    [{ db: 'a', table: 'b', key: [] }, /^tables\[0\]\.key: the list is empty/],
    [{ db: 'a', table: 'b', key: 5 }, /^tables\[0\]\.key: it is neither a template nor a function/],
    [
      { db: 'a', table: 'b', key: makeKey },
      /^tables\[0\]\.match: a key function cannot be turned around.* \| Set `match`.*'profile:\*'/,
    ],
    [
      { db: 'a', table: 'b', key: makeKey, match: '' },
      /^tables\[0\]\.match: a key function cannot be turned/,
    ],
    [{ db: 'a', table: 'b', match: 'x:*' }, /^tables\[0\]\.match: only functions that make keys need it/],
    [
      { db: 'a', table: 'b', keyFields: 'id' },
      /^tables\[0\]\.keyFields: it is no list of columns \| .*\['tenant_id'/,
    ],
    [{ db: 'a', table: 'b', keyFields: [] }, /^tables\[0\]\.keyFields: it is no list of columns/],
    [{ db: 'a', table: 'b', key: 'k:{id}', keyFields: ['id'] }, /`key` and `keyFields` exclude each other/],
    [{ db: 'a', table: 'b', prefix: 'cf:' }, /^tables\[0\]: its keys begin with `cf:`/],
    [{ db: 'a', table: 'b', key: 'cf:{id}' }, /^tables\[0\]: its keys begin with `cf:`/],
    [{ db: 'a', table: 'b', audit: true }, /^tables\[0\]\.audit: it is no object \| Write e\.g\. \{ compare/],
    [{ db: 'a', table: 'b', audit: { compare: 1 } }, /^tables\[0\]\.audit\.compare: it is no function/],
    [{ db: 'a', table: 'b', audit: { compar: makeKey } }, /^tables\[0\]\.audit\.compar: .*`compare`/],
    [{ db: 'a', table: 'b', prefix: 1 }, /^tables\[0\]\.prefix: it is no string/],
  ])('with a fault is named with the remedy: %j', (entry, fault) => {
    expect(tableFaults(entry)).toEqual([expect.stringMatching(fault)]);
  });

  it('that stands there twice is told of its twin', () => {
    expect(tableFaults({ db: 'a', table: 'b' }, { db: 'a', table: 'c' }, { db: 'a', table: 'b' })).toEqual([
      'tables[2]: a.b is listed twice, also as tables[0] | Keep one entry; for several keys give it a list of templates',
    ]);
  });

  it('is counted by its place in the options, also behind one that is unusable', () => {
    expect(tableFaults({ db: 'a' }, { db: 'a', table: 'b' }, { db: 'a', table: 'b' })).toEqual([
      expect.stringMatching(/^tables\[0\]\.table: /),
      expect.stringMatching(/^tables\[2\]: a\.b is listed twice, also as tables\[1\]/),
    ]);
  });

  it('can be made for many tables by the helper', () => {
    const made = tables('shop', CacheStrategy.WriteThrough, 'orders', 'items');
    expect(resolveConfig({ ...GOOD, tables: made }).faults).toEqual([]);
    expect(made.map(({ db, table, strategy }) => `${db}.${table} ${strategy as string}`)).toEqual([
      'shop.orders write-through',
      'shop.items write-through',
    ]);
  });
});

it('never repeats a password in a fault', () => {
  const secret = 'hunter2-sentinel';
  const faults = faultsOf({
    mysql: { user: 'u', password: secret, port: 'x', pasword: secret },
    redis: `localhost:${secret}`,
  });
  expect(faults.length).toBeGreaterThan(2);
  expect(faults.join()).not.toContain(secret);
});
