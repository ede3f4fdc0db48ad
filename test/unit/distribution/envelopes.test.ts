import { describe, expect, it } from 'vitest';
import type { ChangeEvent } from '../../../lib';
import { cacheflowEnvelope } from '../../../lib/distribution/wire/cacheflow-envelope';
import type { ChangeMessage } from '../../../lib/distribution/wire/change-message';
import { changeId } from '../../../lib/distribution/wire/change-message';
import { debeziumEnvelope } from '../../../lib/distribution/wire/debezium-envelope';
import { encodeValue } from '../../../lib/retry/lossless-json';

// Any change, written and read, is the same change: each value of each type, and each name that a column can have.

const ROUNDS = 3_000;

/** A generator of random numbers with a seed (mulberry32), so that a failure can be seen again. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const NAMES = [
  'id',
  '$bigint',
  '$object',
  '$date',
  '$undefined',
  '__proto__',
  'constructor',
  '',
  'a b',
  '7',
  'ü',
];
const TEXTS = [
  '',
  'text',
  '$bigint',
  '\u0000',
  '\ud800 alone',
  'emoji 😀',
  '{"$date":null}',
  '9007199254740993',
];
const NUMBERS = [
  0,
  -0,
  1,
  -1,
  1.5,
  2 ** 53,
  -(2 ** 53) - 2,
  1e300,
  5e-324,
  NaN,
  Infinity,
  -Infinity,
  0.1 + 0.2,
];
const BIGINTS = [0n, 1n, -1n, 127n, 128n, -128n, -129n, 255n, 9007199254740993n, -9223372036854775808n];
BIGINTS.push(18446744073709551615n, 256n ** 20n);
const DATES = [0, 1, -1, 8.64e15, -8.64e15, NaN, Date.UTC(2024, 1, 29, 12, 0, 0, 123)];

class Generator {
  constructor(private readonly random: () => number) {}

  pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.random() * items.length)] as T;
  }

  value(depth: number): unknown {
    const kinds = ['null', 'undefined', 'boolean', 'number', 'text', 'bigint', 'buffer', 'date'];
    switch (this.pick(depth > 0 ? [...kinds, 'list', 'object'] : kinds)) {
      case 'null':
        return null;
      case 'undefined':
        return undefined;
      case 'boolean':
        return this.random() < 0.5;
      case 'number':
        return this.pick(NUMBERS);
      case 'text':
        return this.pick(TEXTS);
      case 'bigint':
        return this.pick(BIGINTS);
      case 'buffer':
        return Buffer.from(Array.from({ length: Math.floor(this.random() * 5) }, () => this.random() * 256));
      case 'date':
        return new Date(this.pick(DATES));
      case 'list':
        return Array.from({ length: Math.floor(this.random() * 4) }, () => this.value(depth - 1));
      default:
        return this.row(depth - 1, Math.floor(this.random() * 3));
    }
  }

  row(depth: number, columns: number): Record<string, unknown> {
    return Object.fromEntries(Array.from({ length: columns }, () => [this.pick(NAMES), this.value(depth)]));
  }

  message(): ChangeMessage {
    const action = this.pick(['insert', 'update', 'delete'] as const);
    const event: ChangeEvent = {
      action,
      schema: this.pick(TEXTS),
      table: this.pick(TEXTS),
      before: action === 'insert' ? null : this.row(3, 6),
      after: action === 'delete' ? null : this.row(3, 6),
      position: { file: 'binlog.000007', offset: this.pick([4, 2 ** 40]), row: this.pick([0, 12_345]) },
      ...(this.random() < 0.5
        ? { gtid: this.pick(['0-1-77', '3e11fa47-71ca-11e1-9e33-c80aa9429562:23']) }
        : {}),
      timestamp: 1_700_000_000_000,
    };
    const primaryKey = this.pick([[], ['id'], ['a b', '$date']]);
    return { id: changeId(event), source: this.pick(TEXTS), term: this.pick([0, 1, 12]), primaryKey, event };
  }
}

describe.each([
  ['cacheflow', cacheflowEnvelope],
  ['debezium', debeziumEnvelope],
])('the envelope %s', (_name, envelope) => {
  it('gives back every change exactly', () => {
    for (let seed = 1; seed <= ROUNDS; seed++) {
      const message = new Generator(randomOf(seed)).message();
      const text = Buffer.from(envelope.encode(message)).toString();
      // As text: comparisons do not see a column called __proto__, or take two invalid dates for different ones.
      expect(encodeValue(envelope.decode(text)), `seed ${seed}`).toBe(encodeValue(message));
    }
  });

  it.each([
    '',
    '[]',
    'null',
    '{}',
    '{"format":"nestjs-cacheflow/change/2"}',
    '{"payload":{"source":{"version":"2.4"}}}',
  ])('refuses %j', (text) => {
    expect(() => envelope.decode(text)).toThrow(/^It /);
  });
});

describe('the text of a message', () => {
  const event: ChangeEvent = {
    action: 'update',
    schema: 'shop',
    table: 'orders',
    before: {
      id: 9007199254740993n,
      total: 1,
      note: 'old',
      paid: new Date(0),
      raw: Buffer.from([1, 2]),
      data: { a: 1 },
      never: new Date(NaN),
    },
    after: {
      id: 9007199254740993n,
      total: 2,
      note: null,
      paid: new Date(NaN),
      raw: Buffer.from([1, 2]),
      data: { a: 1 },
      never: new Date(NaN),
    },
    position: { file: 'binlog.000007', offset: 1234, row: 3 },
    gtid: '0-1-77',
    timestamp: 1_700_000_000_000,
  };
  const message: ChangeMessage = {
    id: changeId(event),
    source: 'default',
    term: 4,
    primaryKey: ['id'],
    event,
  };

  it('is what the documentation says', () => {
    expect(JSON.parse(cacheflowEnvelope.encode(message))).toEqual({
      format: 'nestjs-cacheflow/change/1',
      id: '0-1-77#3',
      source: 'default',
      term: 4,
      action: 'update',
      schema: 'shop',
      table: 'orders',
      primaryKey: ['id'],
      before: {
        id: { $bigint: '9007199254740993' },
        total: 1,
        note: 'old',
        paid: { $date: '1970-01-01T00:00:00.000Z' },
        raw: { $binary: 'AQI=' },
        data: { a: 1 },
        never: { $date: null },
      },
      after: {
        id: { $bigint: '9007199254740993' },
        total: 2,
        note: null,
        paid: { $date: null },
        raw: { $binary: 'AQI=' },
        data: { a: 1 },
        never: { $date: null },
      },
      changed: ['total', 'note', 'paid'],
      position: { file: 'binlog.000007', offset: 1234, row: 3 },
      gtid: '0-1-77',
      timestamp: 1_700_000_000_000,
    });
  });

  it("is Debezium's where that is asked for", () => {
    const { schema, payload } = JSON.parse(debeziumEnvelope.encode(message)) as {
      schema: { name: string; fields: { field: string; fields?: { field: string }[] }[] };
      payload: Record<string, unknown>;
    };
    expect(payload).toEqual({
      before: {
        id: 'IAAAAAAAAQ==',
        total: 1,
        note: 'old',
        paid: 0,
        raw: 'AQI=',
        data: '{"a":1}',
        never: null,
      },
      after: {
        id: 'IAAAAAAAAQ==',
        total: 2,
        note: null,
        paid: null,
        raw: 'AQI=',
        data: '{"a":1}',
        never: null,
      },
      source: {
        version: 'nestjs-cacheflow/1',
        connector: 'mariadb',
        name: 'default',
        ts_ms: 1_700_000_000_000,
        snapshot: 'false',
        db: 'shop',
        sequence: null,
        table: 'orders',
        server_id: 0,
        gtid: '0-1-77',
        file: 'binlog.000007',
        pos: 1234,
        row: 3,
        thread: null,
        query: null,
        term: 4,
        primary_key: ['id'],
      },
      op: 'u',
      ts_ms: expect.any(Number) as number,
    });
    expect(schema.name).toBe('default.shop.orders.Envelope');
    expect(schema.fields.map(({ field }) => field)).toEqual(['before', 'after', 'source', 'op', 'ts_ms']);
    // As Kafka Connect demands: a schema for each field of each struct.
    for (const { field, fields } of schema.fields) {
      if (fields) expect(fields.map((each) => each.field)).toEqual(Object.keys(payload[field] as object));
    }
  });
});
