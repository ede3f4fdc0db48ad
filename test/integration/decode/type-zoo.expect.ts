import { expect } from 'vitest';
import type { Row, RowImages } from '../../../lib/decode/rows-decoder';
import type { History, Variant } from './type-zoo.harness';

/** Inserts first, then an update of each row, then the deletes. */
export function expectEqual(images: RowImages[], history: History, variant: Variant): void {
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

/** Column by column, so that a failure names the column. */
export function expectRows(actual: Row[], expected: Row[], what: string): void {
  expect(actual.map((row) => Object.keys(row))).toStrictEqual(expected.map((row) => Object.keys(row)));
  for (const name of Object.keys(expected[0] ?? {})) {
    const column = (rows: Row[]) => rows.map((row) => comparable(row[name]));
    expect(column(actual), `${what}: ${name}`).toStrictEqual(column(expected));
  }
}

/** Vitest compares a Buffer byte by byte in JavaScript, which takes minutes for the large ones. */
function comparable(value: unknown): unknown {
  return Buffer.isBuffer(value) ? { bytes: value.toString('hex') } : value;
}

export function byId(rows: Row[], row: Row): Row {
  return rows.find((candidate) => candidate['id'] === row['id'])!;
}
