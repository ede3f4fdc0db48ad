import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { textDecoder } from '../../../lib/decode/charset';
import { isRowsEvent } from '../../../lib/decode/rows-decoder';
import { UPPER_HALVES } from '../../../lib/decode/single-byte-charsets';
import { type SqlServer, startMariadb, startMysql } from '../../support/servers';
import { expectEqual } from './type-zoo.expect';
import { decodeAll, TIME_ZONE, type Variant, VARIANTS, Zoo } from './type-zoo.harness';

process.env['TZ'] = TIME_ZONE;

const [DEFAULTS] = VARIANTS as [Variant];
const FULL = { metadata: 'FULL', image: 'FULL' };

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
const ONE_BYTE = range(0, 0xff).map((byte) => [byte]);
const TWO_BYTES = range(0x81, 0xfe).flatMap((lead) => range(0x40, 0xfe).map((trail) => [lead, trail]));
const THREE_BYTES = range(0xa1, 0xfe).flatMap((lead) =>
  range(0xa1, 0xfe).map((trail) => [0x8f, lead, trail]),
);

/** The codes that the server accepts in a character set, in hex, each with its text. */
async function charactersOf(
  server: SqlServer,
  charset: string,
  codes: number[][],
): Promise<Map<string, string>> {
  await server.query('CREATE DATABASE IF NOT EXISTS zoo; USE zoo');
  await server.query(`DROP TABLE IF EXISTS codes, decoded; CREATE TABLE codes (code VARBINARY(3));
    CREATE TABLE decoded (code VARBINARY(3), text VARCHAR(3) CHARACTER SET ${charset})`);
  const literals = codes.map((code) => `(x'${Buffer.from(code).toString('hex')}')`);
  await server.query(`INSERT INTO codes VALUES ${literals.join(',')}`);
  await server.query("SET sql_mode = ''; INSERT IGNORE INTO decoded SELECT code, code FROM codes");
  const rows = await server.query<{ code: string; text: string }>(
    'SELECT HEX(code) AS code, text FROM decoded WHERE code = CAST(text AS BINARY)',
  );
  return new Map(rows.map(({ code, text }) => [code, text]));
}

function decodeCode(charset: string, code: string): string {
  const buffer = Buffer.from(code, 'hex');
  return textDecoder(charset)!(buffer, 0, buffer.length);
}

describe.each([
  { kind: 'MySQL', start: startMysql },
  { kind: 'MariaDB', start: startMariadb },
])('the character sets of $kind', ({ kind, start }) => {
  let server: SqlServer;
  beforeAll(async () => {
    server = await start({ fast: true });
  });
  afterAll(async () => {
    await server?.dispose();
  });

  it('single-byte ones decode every byte as the server does', async () => {
    for (const charset of Object.keys(UPPER_HALVES)) {
      const characters = await charactersOf(server, charset, ONE_BYTE);
      expect(characters.size).toBeGreaterThan(127);
      for (const [code, text] of characters)
        expect(decodeCode(charset, code), `${charset} ${code}`).toBe(text);
    }
  });

  // Both servers have the same tables; this one is quicker to ask.
  const onMariadb: (name: string, test: () => Promise<void>) => void =
    kind === 'MariaDB' ? it : () => undefined;
  onMariadb('multi-byte ones decode every character of theirs as the server does', async () => {
    for (const charset of ['gbk', 'gb2312', 'big5', 'sjis', 'cp932', 'ujis', 'euckr']) {
      const codes = charset === 'ujis' ? [...TWO_BYTES, ...THREE_BYTES] : TWO_BYTES;
      const wrong: string[] = [];
      for (const [code, text] of await charactersOf(server, charset, codes)) {
        // What charset.ts names: codes without a character, private ones, one of ujis, two rows of big5.
        if (text.includes('?') || /[\ue000-\uf8ff\ufffd]/.test(text)) continue;
        if (charset === 'big5' ? /^C[67]/.test(code) : code === '8FA2B7') continue;
        if (decodeCode(charset, code) !== text) wrong.push(code);
      }
      expect(wrong, charset).toStrictEqual([]);
    }
  });
});

describe('corners of MySQL', () => {
  let server: SqlServer;
  let zoo: Zoo;
  beforeAll(async () => {
    server = await startMysql({ fast: true, env: { TZ: TIME_ZONE } });
    zoo = await Zoo.open(server, VARIANTS);
  });
  afterAll(async () => {
    await zoo?.close();
    await server?.dispose();
  });

  it('a NULL vector is null, where mysql2 makes an empty array of it', async () => {
    const table = { vector: { type: 'VECTOR(3)', values: ["STRING_TO_VECTOR('[1,2,3]')"] } };
    const history = await zoo.live('nulls', table, FULL);
    expect(history.inserted.get(DEFAULTS)!.map((row) => row['vector'])).toStrictEqual([[], [1, 2, 3]]);
    const inserts = decodeAll(history, {}).slice(0, 2);
    expect(inserts.map(({ after }) => after!['vector'])).toStrictEqual([null, [1, 2, 3]]);
  });

  it('big integers are exact unless the options say otherwise', async () => {
    const table = { big: { type: 'BIGINT UNSIGNED NOT NULL', values: ['18446744073709551615', '1'] } };
    const history = await zoo.live('exact', table, FULL);
    const values = (options: object) =>
      decodeAll(history, options)
        .slice(1, 3)
        .map(({ after }) => after!['big']);
    expect(values({})).toStrictEqual(['18446744073709551615', 1]);
    expect(values({ bigNumberStrings: true })).toStrictEqual(['18446744073709551615', 1]);
    expect(values({ supportBigNumbers: false })).toStrictEqual([18446744073709552000, 1]);
  });

  it('an invisible column is read only where it is wanted', async () => {
    const table = {
      shown: { type: 'INT', values: ['1'] },
      hidden: { type: 'INT INVISIBLE', values: ['2'] },
    };
    const history = await zoo.live('invisible', table, FULL);
    expect(history.columns.map(({ name, invisible }) => [name, invisible])).toStrictEqual([
      ['id', false],
      ['shown', false],
      ['hidden', true],
    ]);
    const wanted = decodeAll(history, {}, new Set(['id', 'hidden']));
    expect(wanted[1]!.after).toStrictEqual({ id: 2, hidden: 2 });
  });

  it('an insert of nothing but defaults is one row without columns under MINIMAL', async () => {
    const history = await zoo.capture('defaults', 'CREATE TABLE defaults (a INT DEFAULT 1)', [
      "SET SESSION binlog_row_image = 'MINIMAL'",
      'INSERT INTO defaults VALUES ()',
      'INSERT INTO defaults VALUES ()',
    ]);
    const images = decodeAll(history, {});
    expect(images).toHaveLength(2);
    for (const image of images) {
      expect(image.after).toStrictEqual({});
      expect(image.afterComplete).toBe(false);
    }
  });
});

describe('corners of MariaDB', () => {
  let server: SqlServer;
  let zoo: Zoo;
  beforeAll(async () => {
    server = await startMariadb({ fast: true, env: { TZ: TIME_ZONE } });
    zoo = await Zoo.open(server, VARIANTS);
  });
  afterAll(async () => {
    await zoo?.close();
    await server?.dispose();
  });

  it('compressed row events read like any other', async () => {
    await server.query('SET GLOBAL log_bin_compress = ON, GLOBAL log_bin_compress_min_len = 10');
    try {
      const table = { text: { type: 'TEXT', values: ["REPEAT('compress me ', 50)", "'short'"] } };
      const history = await zoo.live('packed', table, FULL);
      const types = new Set(history.events.map((event) => event.type));
      expect([...types].some((type) => type >= 166 && isRowsEvent(type))).toBe(true);
      for (const variant of VARIANTS) expectEqual(decodeAll(history, variant.options), history, variant);
    } finally {
      await server.query('SET GLOBAL log_bin_compress = OFF');
    }
  });

  it.each(['FULL', 'NO_LOG'])(
    "MariaDB 5.3's temporal formats read like the new ones, metadata %s",
    async (metadata) => {
      await server.query('SET GLOBAL mysql56_temporal_format = OFF');
      try {
        const digits = [0, 1, 2, 3, 4, 5, 6];
        const times = ["'-838:59:59'", "'12:34:56.123456'", "'-00:00:00.5'"];
        const moments = [
          "'2024-02-29 12:34:56.987654'",
          "'0000-00-00 00:00:00'",
          "'1999-12-31 23:59:59.000001'",
        ];
        const table = Object.fromEntries(
          digits.flatMap((n) => [
            [`time${n}`, { type: `TIME(${n})`, values: times }],
            [`datetime${n}`, { type: `DATETIME(${n})`, values: moments }],
            [`timestamp${n}`, { type: `TIMESTAMP(${n}) NULL`, values: moments }],
          ]),
        );
        const history = await zoo.live('old', table, { metadata, image: 'FULL' });
        expect(history.map.columns.slice(1, 4).map(({ type }) => type)).toStrictEqual([11, 12, 7]);
        for (const variant of VARIANTS) expectEqual(decodeAll(history, variant.options), history, variant);
      } finally {
        await server.query('SET GLOBAL mysql56_temporal_format = ON');
      }
    },
  );

  it.each(['FULL', 'NO_LOG'])(
    'the columns of system versioning are hidden, metadata %s',
    async (metadata) => {
      const table = { a: { type: 'INT', values: ['1', '2'] } };
      const history = await zoo.live(
        'versioned',
        table,
        { metadata, image: 'FULL' },
        'WITH SYSTEM VERSIONING',
      );
      expect(history.columns.map(({ name, invisible }) => [name, invisible])).toStrictEqual([
        ['id', false],
        ['a', false],
        ['row_start', true],
        ['row_end', true],
      ]);
      const inserts = decodeAll(history, DEFAULTS.options).slice(0, 3);
      expect(inserts.map(({ after }) => after)).toStrictEqual(history.inserted.get(DEFAULTS));
    },
  );
});
