import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Row, RowImages } from '../../../lib/decode/rows-decoder';
import { type SqlServer, startMariadb, startMysql } from '../../support/servers';
import { byId, expectEqual, expectRows } from './type-zoo.expect';
import {
  decodeAll,
  type History,
  TIME_ZONE,
  type Variant,
  VARIANTS,
  Zoo,
  type ZooTable,
} from './type-zoo.harness';
import { COMMON_TABLES, MARIADB_TABLES, MYSQL_TABLES } from './type-zoo.tables';

process.env['TZ'] = TIME_ZONE;

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
    server = await start({ fast: true, env: { TZ: TIME_ZONE } });
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
      for (const state of ['before', 'after'] as const) {
        const rows = (images: RowImages[]): Row[] =>
          images.flatMap((image): Row[] => (image[state] ? [image[state]] : []));
        expectRows(
          rows(one),
          rows(all).map((row) => ({ [column]: row[column] })),
          `${column} ${state}`,
        );
      }
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
