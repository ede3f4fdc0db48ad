import { expect, it } from 'vitest';
import type { CacheflowOptions } from '../../../lib';
import { resolveConfig } from '../../../lib/config/cacheflow.config';
import type { BinlogHandler } from '../../../lib/events/on-binlog.explorer';
import type { OptionPrint } from '../../../lib/group/option-print';
import { differences, digestOf, printOptions, uncoveredBy } from '../../../lib/group/option-print';
import { TablePattern } from '../../../lib/keys/table-pattern';

const SECRET = 'pw-sentinel';

function handler(name: string, pattern: string, everywhere = false): BinlogHandler {
  return {
    name,
    patterns: [new TablePattern(pattern)],
    actions: undefined,
    everywhere,
    handle: () => undefined,
  };
}

function print(more: Partial<CacheflowOptions> = {}, handlers: readonly BinlogHandler[] = []): OptionPrint {
  const config = resolveConfig({
    mysql: { user: 'root', password: SECRET },
    redis: { port: 1, password: SECRET },
    tables: [{ db: 'shop', table: 'users' }],
    ...more,
  });
  expect(config.faults).toEqual([]);
  return printOptions(config, 'source', handlers);
}

const users = { db: 'shop', table: 'users' };

it('is the same for the same options, in whatever order and over whatever connection', () => {
  const one = print({ tables: [users, { db: 'shop', table: 'orders', prefix: 'a:' }] });
  const other = print({
    tables: [{ prefix: 'a:', table: 'orders', db: 'shop' }, users],
    mysql: { user: 'other', host: 'elsewhere', serverId: 7 },
  });
  expect(differences(one, other)).toEqual([]);
  expect(digestOf(one)).toBe(digestOf(other));
});

it.each<[string, Partial<CacheflowOptions>, string[]]>([
  ['another prefix', { tables: [{ ...users, prefix: 'a:' }] }, ['tables shop.users']],
  ['another key', { tables: [{ ...users, key: 'u:{id}' }] }, ['tables shop.users']],
  ['another function', { tables: [{ ...users, key: () => 'x', match: 'x' }] }, ['tables shop.users']],
  ['write-through', { tables: [{ ...users, strategy: 'write-through' }] }, ['tables shop.users']],
  ['one more table', { tables: [users, { db: 'shop', table: 'o*' }] }, ['tables shop.o*']],
  ['cascades', { cascades: 'warn' }, ['cascades']],
  ['the store of the checkpoint', { checkpoint: { file: '/x' } }, ['checkpoint']],
  ['whose changes events$ has', { events: { delivery: 'everywhere' } }, ['events.delivery']],
  ['a broker', { retry: { mq: { url: `amqp://u:${SECRET}@h` } } }, ['retry.mq']],
])('tells %s', (_what, more, expected) => {
  expect(differences(print(), print(more))).toEqual(expected);
  expect(digestOf(print())).not.toBe(digestOf(print(more)));
});

it('is the same with other bounds', () => {
  expect(differences(print(), print({ events: { maxLength: 5, maxBytes: 5 } }))).toEqual([]);
});

it('tells no value', () => {
  const text = JSON.stringify(print({ retry: { mq: { url: `amqp://u:${SECRET}@h` } } }));
  expect(text).not.toContain(SECRET);
  expect(text).not.toContain('root');
});

it('finds the tables that were not covered', () => {
  const before = JSON.stringify(print());
  expect(uncoveredBy(print(), before)).toEqual([]);
  expect(uncoveredBy(print(), '')).toEqual([]);
  expect(uncoveredBy(print({ cascades: 'warn' }), before)).toEqual([]);
  expect(uncoveredBy(print({ tables: [users, { db: 'shop', table: 'orders' }] }), before)).toEqual([
    { schema: 'shop', table: 'orders' },
  ]);
  expect(uncoveredBy(print({ tables: [{ ...users, prefix: 'b:' }] }), before)).toEqual([
    { schema: 'shop', table: 'users' },
  ]);
  expect(uncoveredBy(print({ tables: [users, { db: 'shop', table: '*' }] }), before)).toEqual([undefined]);
  expect(uncoveredBy(print(), 'no JSON')).toEqual([{ schema: 'shop', table: 'users' }]);
});

it('tells other handlers, in whatever order they were found', () => {
  const [a, b] = [handler('A.on', 'shop.users'), handler('B.on', 'shop.*')];
  expect(differences(print({}, [a, b]), print({}, [b, a]))).toEqual([]);
  expect(differences(print({}, [a]), print({}, [a, b]))).toEqual(['@OnBinlog']);
  expect(differences(print({}, [a]), print({}, [handler('A.on', 'shop.orders')]))).toEqual(['@OnBinlog']);
  expect(differences(print({}, [a]), print({}, [a, handler('C.on', 'shop.users', true)]))).toEqual([
    '@OnBinlog everywhere shop.users',
  ]);
});

it('finds the tables of whose changes not every process was told', () => {
  const before = JSON.stringify(print({}, [handler('A.on', 'shop.users')]));
  const everywhere = (pattern: string): OptionPrint => print({}, [handler('C.on', pattern, true)]);
  expect(uncoveredBy(everywhere('shop.users'), before)).toEqual([{ schema: 'shop', table: 'users' }]);
  expect(uncoveredBy(everywhere('shop.*'), before)).toEqual([undefined]);
  expect(uncoveredBy(everywhere('shop.users'), JSON.stringify(everywhere('shop.users')))).toEqual([]);
  expect(uncoveredBy(print({ events: { delivery: 'everywhere' } }), before)).toEqual([undefined]);
  const delivered = JSON.stringify(print({ events: { delivery: 'everywhere' } }));
  expect(uncoveredBy(print(), delivered)).toEqual([]);
  expect(uncoveredBy(everywhere('shop.users'), delivered)).toEqual([]);
});
