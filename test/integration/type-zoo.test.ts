import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Row, RowImages } from '../../lib/binlog/decode/rows-decoder';
import { type SqlServer, startMariadb, startMysql } from '../support/servers';
import { decodeAll, type History, type Variant, Zoo, type ZooTable } from './type-zoo.harness';
import { COMMON_TABLES, MARIADB_TABLES, MYSQL_TABLES } from './type-zoo.tables';

// A zone with daylight saving for the server as for this process, so that 'local' is a real test.
process.env['TZ'] = 'Europe/Berlin';

const VARIANTS: Variant[] = [
  { name: 'mysql2 defaults', options: { supportBigNumbers: false } },
  { name: 'big numbers', options: { supportBigNumbers: true } },
  { name: 'big numbers as strings', options: { supportBigNumbers: true, bigNumberStrings: true } },
  { name: 'strings without big numbers', options: { supportBigNumbers: false, bigNumberStrings: true } },
  { name: 'UTC', options: { timezone: 'Z', supportBigNumbers: true }, sessionTimeZone: '+00:00' },
  {
    name: '+08:00, numbers',
    options: { timezone: '+08:00', decimalNumbers: true, supportBigNumbers: true },
    sessionTimeZone: '+08:00',
  },
  { name: 'date strings', options: { dateStrings: true, jsonStrings: true, supportBigNumbers: true } },
  {
    name: 'some date strings, -03:30',
    options: { timezone: '-03:30', dateStrings: ['TIMESTAMP', 'DATE'], supportBigNumbers: true },
    sessionTimeZone: '-03:30',
  },
];

const SERVERS = [
  {
    kind: 'MySQL',
    start: startMysql,
    tables: { ...COMMON_TABLES, ...MYSQL_TABLES },
    metadata: ['FULL', 'MINIMAL'],
  },
  {
    kind: 'MariaDB',
    start: startMariadb,
    tables: { ...COMMON_TABLES, ...MARIADB_TABLES },
    metadata: ['FULL', 'MINIMAL', 'NO_LOG'],
  },
];

describe.each(SERVERS)('rows from the binlog of $kind', ({ start, tables, metadata }) => {
  let server: SqlServer;
  let zoo: Zoo;

  beforeAll(async () => {
    server = await start({ fast: true, env: { TZ: 'Europe/Berlin' } });
    zoo = await Zoo.open(server, VARIANTS);
  });

  afterAll(async () => {
    await zoo?.close();
    await server?.dispose();
  });

  const cases: [string, string, ZooTable][] = Object.entries(tables).flatMap(([name, table]) =>
    metadata.map((level): [string, string, ZooTable] => [name, level, table]),
  );

  it.each(cases)('equal what mysql2 selects: %s, metadata %s', async (name, level, table) => {
    const history = await zoo.live(name, table, { metadata: level, image: 'FULL' });
    expect(history.map.hasNames).toBe(level === 'FULL');
    for (const variant of VARIANTS) {
      expectEqual(decodeAll(history, variant.options), history, variant);
    }
  });

  it.each(Object.entries(tables))('pass over any columns that are not wanted: %s', async (name, table) => {
    const history = await zoo.live(name, table, { metadata: 'FULL', image: 'FULL' });
    const [variant] = VARIANTS as [Variant];
    const all = decodeAll(history, variant.options);
    for (const column of Object.keys(history.inserted.get(variant)![0]!)) {
      const one = decodeAll(history, variant.options, new Set([column]));
      expect(one.map((images) => images.after)).toStrictEqual(all.map(({ after }) => pick(after, column)));
      expect(one.map((images) => images.before)).toStrictEqual(all.map(({ before }) => pick(before, column)));
    }
  });

  it.each(
    Object.entries(tables).flatMap(([name, table]) =>
      ['MINIMAL', 'NOBLOB'].map((image) => ({ name, table, image })),
    ),
  )('leave out what the image leaves out: $name, image $image', async ({ name, table, image }) => {
    const history = await zoo.live(name, table, { metadata: 'FULL', image });
    const [variant] = VARIANTS as [Variant];
    expectPartlyEqual(decodeAll(history, variant.options), history, variant);
  });
});

/** Inserts first, then an update of each row, then the deletes. */
function expectEqual(images: RowImages[], history: History, variant: Variant): void {
  const inserted = history.inserted.get(variant)!;
  const updated = history.updated.get(variant)!;
  const count = inserted.length;
  const what = (part: string) => `${part} (${variant.name})`;
  const inserts = images.slice(0, count);
  const deletes = images.slice(-count);
  const updates = images.slice(count, -count);
  expectRows(
    inserts.map(({ after }) => after!),
    inserted,
    what('inserted'),
  );
  expectRows(
    deletes.map(({ before }) => before!),
    updated,
    what('deleted'),
  );
  // An update that changes nothing is not in the binlog.
  const touched = updates.map(({ after }) => after!);
  expectRows(
    updates.map(({ before }) => before!),
    touched.map((row) => byId(inserted, row)),
    what('before'),
  );
  expectRows(
    touched,
    touched.map((row) => byId(updated, row)),
    what('after'),
  );
  expect(inserts.every((row) => row.before === null && row.afterComplete && !row.beforeComplete)).toBe(true);
  expect(deletes.every((row) => row.after === null && row.beforeComplete && !row.afterComplete)).toBe(true);
  expect(updates.every((row) => row.beforeComplete && row.afterComplete)).toBe(true);
}

function expectPartlyEqual(images: RowImages[], history: History, variant: Variant): void {
  const inserted = history.inserted.get(variant)!;
  const updated = history.updated.get(variant)!;
  for (const [i, { before, after, beforeComplete, afterComplete }] of images.entries()) {
    const isDelete = i >= images.length - updated.length;
    if (before) expectPartOf(before, byId(isDelete ? updated : inserted, before), beforeComplete);
    if (after) expectPartOf(after, byId(before ? updated : inserted, after), afterComplete);
  }
}

function expectPartOf(part: Row, whole: Row, complete: boolean): void {
  const names = Object.keys(part);
  expectRows(
    [part],
    [Object.fromEntries(names.map((name) => [name, whole[name]]))],
    `row ${String(part['id'])}`,
  );
  expect(complete).toBe(names.length === Object.keys(whole).length);
}

/** Column by column, so that a failure names the column. */
function expectRows(actual: Row[], expected: Row[], what: string): void {
  expect(actual.map((row) => Object.keys(row))).toStrictEqual(expected.map((row) => Object.keys(row)));
  for (const name of Object.keys(expected[0] ?? {})) {
    const column = (rows: Row[]) => rows.map((row) => row[name]);
    expect(column(actual), `${what}: ${name}`).toStrictEqual(column(expected));
  }
}

function byId(rows: Row[], row: Row): Row {
  return rows.find((candidate) => candidate['id'] === row['id'])!;
}

function pick(row: Row | null, column: string): Row | null {
  return row && { [column]: row[column] };
}
