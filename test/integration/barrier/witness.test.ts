import { createConnection } from 'mysql2/promise';
import { expect, it } from 'vitest';
import { ControlConnection } from '../../../lib/mysql/control-connection';
import { resolveColumns } from '../../../lib/decode/column';
import { isRowsEvent } from '../../../lib/decode/rows-decoder';
import { parseTableMap } from '../../../lib/decode/table-map';
import { loadCharsets, loadTableDefinition } from '../../../lib/mysql/table-definition';
import { WitnessTable } from '../../../lib/binlog/tables/witness-table';
import { isChanged, isFree } from '../../../lib/barrier/barrier-rows';
import { openBarrierSession } from '../../../lib/barrier/barrier-session';
import type { WitnessRow } from '../../../lib/change/stream';
import type { Stage } from '../../support/each-sql';
import { describeEachSql } from '../../support/each-sql';
import { binlogPosition, readBinlog } from '../../support/raw-binlog';

// A value that the server gives differently from how it was decoded would count as a change that can be read, and
// let a stale key live: so each value is compared with a row that never changed.

const NEVER = new AbortController().signal;

/** The witnesses of what the statements change in `shop.<table>`. */
async function witnessesOf(stage: Stage, table: string, ...statements: string[]): Promise<WitnessRow[]> {
  const options = stage.sql.connectionOptions();
  const connection = await createConnection(options);
  const control = await ControlConnection.open(options);
  try {
    const from = await binlogPosition(connection);
    for (const statement of statements) await connection.query(statement);
    const events = await readBinlog(options, from);
    const charsets = await loadCharsets(control);
    const definition = await loadTableDefinition(control, stage.kind, 'shop', table);
    const map = events.find(({ type }) => type === 19);
    if (!map || !definition) throw new Error('There is no table map');
    const columns = resolveColumns(
      parseTableMap(map.buffer, map.start, map.end),
      [...definition.columns],
      (id) => charsets.get(id),
      definition.hidden,
    );
    const shape = {
      schema: 'shop',
      table,
      columns: columns.map(({ name }) => name),
      primaryKey: definition.primaryKey,
    };
    const maker = WitnessTable.of(shape, columns);
    return events
      .filter(({ type }) => isRowsEvent(type))
      .map(({ type, buffer, start, end }) => maker?.take(type, buffer, start, end)?.())
      .filter((witness) => witness !== undefined);
  } finally {
    control.close();
    await connection.end();
  }
}

const COLUMNS: Record<string, [type: string, value: string, other: string]> = {
  tiny: ['TINYINT', '-128', '5'],
  flag: ['BOOLEAN', 'TRUE', 'FALSE'],
  small: ['SMALLINT UNSIGNED', '65535', '5'],
  medium: ['MEDIUMINT', '-8388608', '5'],
  plain: ['INT UNSIGNED', '4294967295', '5'],
  big: ['BIGINT', '-9223372036854775808', '5'],
  huge: ['BIGINT UNSIGNED', '18446744073709551615', '5'],
  price: ['DECIMAL(30,10)', '-12345678901234567890.0123456789', '5'],
  whole: ['DECIMAL(20,0)', '0', '5'],
  part: ['DECIMAL(5,5)', '0.00012', '0.5'],
  text: ['VARCHAR(50)', "'it''s \\\\ ä 😀  '", "'x'"],
  latin: ['VARCHAR(50) CHARACTER SET latin1', "'äöü €'", "'x'"],
  plainascii: ['VARCHAR(300) CHARACTER SET ascii', "'abc'", "'x'"],
  nothing: ['VARCHAR(50)', "''", "'x'"],
  raw: ['VARBINARY(50)', "X'00ff27'", "X'01'"],
  day: ['DATE', "'2020-02-29'", "'2021-01-01'"],
  moment: ['DATETIME', "'2020-02-29 23:59:59'", "'2021-01-01'"],
  fine: ['DATETIME(6)', "'1000-01-01 00:00:00.000001'", "'2021-01-01'"],
  instant: ['TIMESTAMP NULL', "'2020-06-15 12:00:00'", "'2021-01-01'"],
  fineinstant: ['TIMESTAMP(3) NULL', "'2020-12-15 12:00:00.120'", "'2021-01-01'"],
  padded: ['CHAR(10)', "'abc'", "'x'"],
  double_: ['DOUBLE', '0.1', '5'],
  float_: ['FLOAT', '0.1', '5'],
  choice: ["ENUM('a','b')", "'a'", "'b'"],
  clock: ['TIME(3)', "'-10:11:12.5'", "'0:0:0'"],
  year_: ['YEAR', '2020', '2021'],
  bits: ['BIT(9)', "b'100000001'", "b'1'"],
  json_: ['JSON', `'{"a": 1.10}'`, "'{}'"],
  blob_: ['TEXT', "'abc'", "'x'"],
};
const COMPARED = Object.keys(COLUMNS).slice(0, 20);

const KEYS: [type: string, value: string][] = [
  ['BIGINT', '-9223372036854775808'],
  ['BIGINT UNSIGNED', '18446744073709551615'],
  ['INT(5) ZEROFILL', '12'],
  ['DECIMAL(30,10)', '-12345678901234567890.0123456789'],
  ['VARCHAR(50)', "'it''s \\\\ ä 😀'"],
  ['VARCHAR(50)', "'123'"],
  ['VARCHAR(50) CHARACTER SET latin1', "'ä€'"],
  ['CHAR(10)', "'abc'"],
  ['BINARY(4)', "X'0027'"],
  ['VARBINARY(16)', "X'00ff275c'"],
  ['VARBINARY(16)', "''"],
  ['DATE', "'2020-02-29'"],
  ['DATETIME(3)', "'2020-02-29 12:00:00.120'"],
];

describeEachSql('a witness', { schema: 'CREATE DATABASE shop' }, (stage) => {
  it('compares the values of a row as they are, of every type that it compares', async () => {
    const definitions = Object.entries(COLUMNS).map(([name, [type]]) => `${name} ${type}`);
    const set = (which: 1 | 2) =>
      Object.entries(COLUMNS)
        .map(([name, column]) => `${name} = ${column[which]}`)
        .join(', ');
    await stage.sql.query(`CREATE TABLE shop.zoo (id INT PRIMARY KEY, ${definitions.join(', ')})`);
    await stage.sql.query(`INSERT INTO shop.zoo SET id = 1, ${set(1)}; INSERT INTO shop.zoo (id) VALUES (2)`);
    const [away, back, fromNull] = await witnessesOf(
      stage,
      'zoo',
      `UPDATE shop.zoo SET ${set(2)} WHERE id = 1`,
      `UPDATE shop.zoo SET ${set(1)} WHERE id = 1`,
      `UPDATE shop.zoo SET ${set(1)} WHERE id = 2`,
      `UPDATE shop.zoo SET ${COMPARED.map((name) => `${name} = NULL`).join(', ')} WHERE id = 2`,
    );
    const session = await openBarrierSession(stage.sql.connectionOptions(), NEVER);
    try {
      const compared = away?.before.map(({ expression }) => /`(.*)`/.exec(expression)?.[1]);
      expect(compared).toEqual(COMPARED);
      for (const value of away?.before ?? []) {
        expect(await isChanged(session, { ...away!, before: [value] }), value.expression).toBe(false);
      }
      for (const value of back?.before ?? []) {
        expect(await isChanged(session, { ...back!, before: [value] }), value.expression).toBe(true);
      }
      for (const value of fromNull?.before ?? []) {
        expect(await isChanged(session, { ...fromNull!, before: [value] }), value.expression).toBe(false);
      }
    } finally {
      session.control.close();
    }
  });

  it.each(KEYS)('finds its row by a key of %s: %s', async (type, value) => {
    await stage.sql.query(`DROP TABLE IF EXISTS shop.k; CREATE TABLE shop.k (k ${type} PRIMARY KEY, n INT)`);
    const [insert, update] = await witnessesOf(
      stage,
      'k',
      `INSERT INTO shop.k VALUES (${value}, 1)`,
      'UPDATE shop.k SET n = 2',
    );
    await stage.sql.query('UPDATE shop.k SET n = 1');
    const session = await openBarrierSession(stage.sql.connectionOptions(), NEVER);
    const holder = await createConnection(stage.sql.connectionOptions());
    try {
      expect(await isChanged(session, insert!)).toBe(true);
      expect(await isChanged(session, update!)).toBe(false);
      expect(await isFree(session, update!)).toBe(true);
      await holder.query('BEGIN');
      await holder.query('UPDATE shop.k SET n = 3');
      expect(await isFree(session, update!)).toBe(false);
    } finally {
      session.control.close();
      await holder.end();
    }
  });

  it.each([
    ['DOUBLE', '0.1'],
    ["ENUM('a')", "'a'"],
    ['TIMESTAMP', "'2020-01-01'"],
    ['VARCHAR(10) CHARACTER SET sjis', "'a'"],
  ])('is not made of a table with a key of %s', async (type, value) => {
    await stage.sql.query(`DROP TABLE IF EXISTS shop.k; CREATE TABLE shop.k (k ${type} PRIMARY KEY, n INT)`);
    expect(await witnessesOf(stage, 'k', `INSERT INTO shop.k VALUES (${value}, 1)`)).toEqual([]);
  });

  it('counts a table that is gone for a transaction that is over', async () => {
    await stage.sql.query('DROP TABLE IF EXISTS shop.k; CREATE TABLE shop.k (k INT PRIMARY KEY, n INT)');
    const [, update] = await witnessesOf(
      stage,
      'k',
      'INSERT INTO shop.k VALUES (1, 1)',
      'UPDATE shop.k SET n = 2',
    );
    await stage.sql.query('DROP TABLE shop.k');
    const session = await openBarrierSession(stage.sql.connectionOptions(), NEVER);
    try {
      expect(await isChanged(session, update!)).toBe(true);
    } finally {
      session.control.close();
    }
  });
});
