import type { Connection } from 'mysql2/promise';
import { createConnection } from 'mysql2/promise';
import { expect, it, onTestFinished } from 'vitest';
import type { TableOptions } from '../../../lib';
import { EventUnsupportedError } from '../../../lib';
import type { TestApp } from '../../support/app';
import type { Stage } from '../../support/each-sql';
import { describeEachSql } from '../../support/each-sql';
import { describeOneSql } from '../../support/one-sql';
import { readBinlog } from '../../support/raw-binlog';

// A statement stands in the binlog in the bytes of its session. They are read as the server has read them.

/** Names by character set. Those of the East have characters that end with the byte of a backslash or a backtick. */
const NAMES: Record<string, string[]> = {
  armscii8: ['հաճախորդ'],
  big5: ['功', '奈', '許功蓋', '資料表'],
  binary: ['通知', 'größe'],
  cp1250: ['łódź', 'Žluť'],
  cp1251: ['клиент', 'Їжак'],
  cp1256: ['عميل', 'پول'],
  cp1257: ['ąžuolas'],
  cp850: ['größe', 'ÿ½'],
  cp852: ['łódź'],
  cp866: ['клиент', 'Ёж'],
  cp932: ['表', 'チ', '能力表', '①高ﾃｽﾄ'],
  dec8: ['größe'],
  eucjpms: ['顧客', '①高ﾃｽﾄ'],
  euckr: ['고객', '표'],
  // Without 乣 of gbk: MySQL doubles the backtick in it when it writes DROP TABLE anew, so that nobody can read it.
  gb18030: ['誠', '通知', '用户表', '㐀䶵', 'ḿ'],
  gb2312: ['通知', '用户表', '中'],
  gbk: ['誠', '乣', '通知', '用户表', '乗乣'],
  geostd8: ['კლიენტი'],
  greek: ['πελάτης'],
  hebrew: ['לקוח'],
  hp8: ['größe'],
  keybcs2: ['čeština'],
  koi8r: ['клиент'],
  koi8u: ['Їжак'],
  latin1: ['größe', 'café€', 'Žÿ'],
  latin2: ['łódź', 'čeština'],
  latin5: ['müşteri', 'Ğİ'],
  latin7: ['žemė'],
  macce: ['čeština'],
  macroman: ['größe', 'Ÿ˚'],
  sjis: ['表', 'ソ', 'チ', '能力表', '顧客ﾃｽﾄ'],
  // Its letters have the bytes of brackets and braces.
  swe7: ['göta', 'ÅÄ', 'üå'],
  tis620: ['ลูกค้า'],
  ujis: ['顧客ﾃｽﾄ', '丂'],
  utf8mb3: ['通知'],
  utf8mb4: ['通知', 'größe'],
};

/** Charsets of mysql2 whose bytes it makes by itself (iconv-lite), as clients do. */
const CLIENTS: Record<string, string> = {
  big5: 'BIG5_CHINESE_CI',
  cp1250: 'CP1250_GENERAL_CI',
  cp1251: 'CP1251_GENERAL_CI',
  cp1256: 'CP1256_GENERAL_CI',
  cp1257: 'CP1257_GENERAL_CI',
  cp850: 'CP850_GENERAL_CI',
  cp852: 'CP852_GENERAL_CI',
  cp866: 'CP866_GENERAL_CI',
  cp932: 'CP932_JAPANESE_CI',
  euckr: 'EUCKR_KOREAN_CI',
  gb18030: 'GB18030_CHINESE_CI',
  gb2312: 'GB2312_CHINESE_CI',
  gbk: 'GBK_CHINESE_CI',
  greek: 'GREEK_GENERAL_CI',
  hebrew: 'HEBREW_GENERAL_CI',
  koi8r: 'KOI8R_GENERAL_CI',
  koi8u: 'KOI8U_GENERAL_CI',
  latin2: 'LATIN2_GENERAL_CI',
  latin5: 'LATIN5_TURKISH_CI',
  latin7: 'LATIN7_GENERAL_CI',
  macroman: 'MACROMAN_GENERAL_CI',
  sjis: 'SJIS_JAPANESE_CI',
  tis620: 'TIS620_THAI_CI',
  ujis: 'UJIS_JAPANESE_CI',
  utf8mb3: 'UTF8_GENERAL_CI',
  utf8mb4: 'UTF8MB4_GENERAL_CI',
};

const T = '(id INT PRIMARY KEY)';

/** What a session runs. */
type Run = (sql: string) => Promise<void>;

/** A session in a character set whose statements are sent byte by byte. */
class Speaker {
  private constructor(
    private readonly stage: Stage,
    private readonly connection: Connection,
    private readonly charset: string,
  ) {}

  static async open(stage: Stage, charset: string): Promise<Speaker> {
    // mysql2 sends one byte for each character, and would follow a change of the character set.
    const connection = await createConnection({ ...stage.sql.connectionOptions(), charset: 'BINARY' });
    onTestFinished(() => connection.destroy());
    await connection.query("SET session_track_system_variables = ''");
    await connection.query(`SET NAMES ${charset}`);
    return new Speaker(stage, connection, charset);
  }

  async send(bytes: Buffer): Promise<void> {
    await this.connection.query(bytes.toString('latin1'));
  }

  /** The server says which bytes its character set has for letters. */
  readonly run: Run = async (sql) => {
    const parts = sql.split(/([^\0-\x7f]+)/);
    const bytes = parts.map(async (part, at) => (at % 2 === 0 ? Buffer.from(part) : this.bytesOf(part)));
    await this.send(Buffer.concat(await Promise.all(bytes)));
  };

  private async bytesOf(text: string): Promise<Buffer> {
    if (this.charset === 'binary') return Buffer.from(text);
    const [row] = await this.stage.sql.query<{ hex: string; back: string }>(
      `SELECT HEX(CONVERT(? USING ${this.charset})) AS hex, CONVERT(CONVERT(? USING ${this.charset}) USING utf8mb4) AS back`,
      [text, text],
    );
    expect(row?.back).toBe(text);
    return Buffer.from(row?.hex ?? '', 'hex');
  }
}

/** A session as a client of that character set has it. */
async function clientOf(stage: Stage, charset: string): Promise<Run> {
  const connection = await createConnection({ ...stage.sql.connectionOptions(), charset });
  onTestFinished(() => connection.destroy());
  return async (sql) => {
    await connection.query(sql);
  };
}

const quoted = (text: string): string => `\`${text}\``;

/** Databases with the tables of these names, with one that has nothing but ASCII in its name, and with a row in each. */
async function prepare(stage: Stage, databases: readonly string[], names: readonly string[]): Promise<void> {
  const statements = databases.flatMap((db) => [
    `DROP DATABASE IF EXISTS ${quoted(db)}`,
    `CREATE DATABASE ${quoted(db)}`,
    ...[...names, 'beside'].map((name) => `CREATE TABLE ${quoted(db)}.${quoted(name)} ${T}`),
  ]);
  await stage.sql.query(statements.join(';'));
}

/** What the log says of the removal of more keys than those of a table or a database. */
const wideFlushes = (app: TestApp): string[] => app.log.filter((line) => line.includes('all watched tables'));

/** Each in the database of its own name, on the table T_T of it. */
const STATEMENTS: Record<string, { both?: string; mariadb?: string }> = {
  truncated: { both: 'TRUNCATE TABLE `T_T`' },
  altered: { both: 'ALTER TABLE `T_T` ADD `T_T` INT' },
  renamed: { both: 'RENAME TABLE `T_T` TO `new T_T`' },
  moved: { both: 'ALTER TABLE `T_T` RENAME TO `other`.`T_T`' },
  dropped: { both: 'DROP TABLE IF EXISTS nothing, `T_T`' },
  full: { both: 'TRUNCATE `full` . `T_T` /* T_T */ -- T_T' },
  replaced: { mariadb: 'CREATE OR REPLACE TABLE `T_T` (`T_T` INT)' },
};
/** In these the names are watched as they are, not only by a wildcard. */
const EXACT = ['truncated', 'renamed', 'dropped'];

describeEachSql('a statement in another character set', { sql: () => ({ fast: true }) }, (stage) => {
  const charsets = Object.keys(NAMES).filter((each) => stage.kind === 'mysql' || each !== 'gb18030');

  it.each(charsets)('%s removes the keys of the tables that it names, and no others', async (charset) => {
    const names = NAMES[charset]!;
    const cases = Object.entries(STATEMENTS).flatMap(([db, { both, mariadb }]) => {
      const statement = both ?? (stage.kind === 'mariadb' ? mariadb : undefined);
      return statement ? [{ db, statement }] : [];
    });
    const databases = cases.map(({ db }) => db);
    await prepare(stage, databases, names);
    await prepare(stage, ['other', ...names], []);
    const exact = EXACT.flatMap((db) => names.map((table) => ({ db, table, prefix: 'exact:' })));
    const app = await stage.app({
      tables: [...exact, ...[...databases, ...names].map((db) => ({ db, table: '*' }))],
    });
    const gone = databases.flatMap((db) =>
      names.map((name) => `${EXACT.includes(db) ? 'exact:' : ''}${db}:${name}:1`),
    );
    const kept = [...databases, 'other', ...names].map((db) => `${db}:beside:1`);
    await stage.cache(...gone, ...kept);

    const { run } = await Speaker.open(stage, charset);
    const client = CLIENTS[charset] === undefined ? run : await clientOf(stage, CLIENTS[charset]);
    for (const [at, { db, statement }] of cases.entries()) {
      const speak = at % 2 === 0 ? client : run;
      await speak(`USE ${db}`);
      for (const name of names) await speak(statement.replaceAll('T_T', name));
    }
    await app.cacheflow.caughtUp();
    expect(app.errors).toEqual([]);
    const left = await stage.redis.mget(gone);
    expect(gone.filter((_key, at) => left[at] !== null)).toEqual([]);
    expect(await stage.redis.mget(kept)).toEqual(kept.map(() => 'cached'));

    const [first, ...others] = names as [string, ...string[]];
    await run(`DROP DATABASE ${quoted(first)}`);
    await app.cacheflow.caughtUp();
    expect(await stage.redis.get(`${first}:beside:1`)).toBeNull();
    for (const other of others) expect(await stage.redis.get(`${other}:beside:1`), other).toBe('cached');
    for (const other of others) await client(`DROP DATABASE IF EXISTS ${quoted(other)}`);
    await app.cacheflow.caughtUp();
    for (const other of others) expect(await stage.redis.get(`${other}:beside:1`), other).toBeNull();
    expect(app.errors).toEqual([]);
    expect(wideFlushes(app)).toEqual([]);
  });

  /** The names of tables that a session makes out of bytes, as the server has read them. */
  async function makeTables(speaker: Speaker, names: readonly Buffer[]): Promise<string[]> {
    await prepare(stage, ['made'], []);
    await speaker.run('USE made');
    const read: string[] = [];
    for (const name of names) {
      await speaker.send(Buffer.concat([Buffer.from('CREATE TABLE `'), name, Buffer.from(`\` ${T}`)]));
      const rows = await stage.sql.query<{ name: string }>(
        "SELECT TABLE_NAME AS name FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = 'made'",
      );
      read.push(rows.map((row) => row.name).find((each) => each !== 'beside' && !read.includes(each)) ?? '');
    }
    return read;
  }

  const onName = (verb: string, name: Buffer): Buffer =>
    Buffer.concat([Buffer.from(`${verb} \``), name, Buffer.from('`')]);
  const MADE: TableOptions[] = [{ db: 'made', table: '*' }];

  // iconv-lite has other characters for these bytes, or none.
  const bytesOnly: [string, string[]][] = [
    ['sjis', ['8160', '815f', '8161', '817c', '8191', '81ca']],
    ['ujis', ['a1c1', 'a1c2', 'a1dd', 'a1f1', '8fa2b7']],
    ['gb2312', ['a1a4', 'a1aa']],
    ['big5', ['a145', 'a24e', 'c6a1', 'c6e7', 'c7f2', 'a1e3']],
    ['euckr', ['a2e6']],
    ['cp932', ['fa4a', '8160', 'eef9', 'fa54']],
    ['eucjpms', ['a1c1', 'ada1', '8ff3f3']],
    ['gbk', ['a1a4', 'a1aa', 'a844', 'fe4f']],
    ['latin1', ['81', '8d', '9d80']],
  ];

  it.each(bytesOnly)(
    '%s with characters of the server’s own reading removes the keys of its tables',
    async (charset, hex) => {
      const speaker = await Speaker.open(stage, charset);
      // A letter before, so that no two names are the same but for that character.
      const bytes = hex.map((each, at) =>
        Buffer.from(`${Buffer.from(`n${at}_`).toString('hex')}${each}`, 'hex'),
      );
      const names = await makeTables(speaker, bytes);
      expect(names.filter((name) => /[?\ufffd]/.test(name))).toEqual([]);
      const app = await stage.app({ tables: MADE });
      const keys = names.map((name) => `made:${name}:1`);
      for (const verb of ['TRUNCATE', 'DROP TABLE']) {
        await stage.cache(...keys, 'made:beside:1');
        for (const name of bytes) await speaker.send(onName(verb, name));
        await app.cacheflow.caughtUp();
        expect(await stage.redis.mget(keys), names.join()).toEqual(keys.map(() => null));
      }
      expect(await stage.redis.get('made:beside:1')).toBe('cached');
      expect(app.errors).toEqual([]);
    },
  );

  it('that a session wrongly takes for gbk counts as the server has read it', async () => {
    const speaker = await Speaker.open(stage, 'gbk');
    // The three bytes of each of these characters are one and a half of gbk.
    const bytes = Buffer.from('通知');
    const [name] = await makeTables(speaker, [bytes]);
    expect(name).toBe('閫氱煡');
    const app = await stage.app({ tables: MADE });
    await stage.cache('made:閫氱煡:1', 'made:beside:1');
    await speaker.send(onName('TRUNCATE', bytes));
    await app.cacheflow.caughtUp();
    expect(await stage.redis.mget('made:閫氱煡:1', 'made:beside:1')).toEqual([null, 'cached']);
    expect(app.errors).toEqual([]);
  });

  /** All keys go, and it is said why. */
  async function expectLoud(app: TestApp, run: () => Promise<void>): Promise<void> {
    await app.cacheflow.caughtUp();
    await stage.cache('made:beside:1', 'far:t:1');
    await run();
    await app.cacheflow.caughtUp();
    expect(await stage.redis.mget('made:beside:1', 'far:t:1')).toEqual([null, null]);
    expect(app.errors.length).toBe(1);
    expect(app.errors[0]).toBeInstanceOf(EventUnsupportedError);
    expect(app.errors[0]?.message).toContain('all keys of all watched tables are removed');
  }
  const FAR: TableOptions[] = [...MADE, { db: 'far', table: 't' }];

  it.each([
    ['gbk', 'ff'],
    ['gbk', 'a2ab'],
    ['cp1251', '98'],
    ['sjis', '81ad'],
  ])('%s with bytes without a meaning (%s) costs all keys, loudly', async (charset, hex) => {
    const speaker = await Speaker.open(stage, charset);
    await prepare(stage, ['made', 'far'], []);
    const app = await stage.app({ tables: FAR });
    await speaker.run('USE made');
    await expectLoud(app, () =>
      speaker.send(
        Buffer.concat([
          Buffer.from('TRUNCATE beside /* '),
          Buffer.from(hex, 'hex'),
          // Else nobody would need to know the character set.
          Buffer.from(' */'),
        ]),
      ),
    );
  });

  it('that is too long to ask about costs all keys, loudly', async () => {
    const { run } = await Speaker.open(stage, 'gbk');
    await prepare(stage, ['made', 'far'], ['通知']);
    const app = await stage.app({ tables: FAR });
    await run('USE made');
    await expectLoud(app, () => run(`TRUNCATE 通知 /* ${'x'.repeat(70_000)} */`));
  });

  it('costs no keys where it can be told by its first words', async () => {
    const { run } = await Speaker.open(stage, 'gbk');
    await prepare(stage, ['made', '店'], ['中']);
    const app = await stage.app({ tables: [...MADE, { db: '店', table: '*' }] });
    await stage.cache('made:中:1', 'made:beside:1');
    await run('USE made');
    const statements = [
      // Servers write the first one anew in UTF-8, and the view in a mixture of both.
      'CREATE TABLE `用户表` AS SELECT 1 AS id, 2 AS `中`',
      'CREATE VIEW `看` AS SELECT * FROM `中`',
      'ALTER VIEW `看` AS SELECT 1 AS `中`',
      'CREATE OR REPLACE VIEW `看` AS SELECT * FROM `中`',
      'DROP VIEW `看`',
      'CREATE TABLE `通知` (`名` INT) COMMENT "诶"',
      'CREATE TABLE IF NOT EXISTS `中` (`名` INT)',
      'CREATE TABLE `诶` LIKE `中`',
      'CREATE INDEX `名` ON `beside` (id)',
      'DROP INDEX `名` ON `beside`',
      'CREATE PROCEDURE `做`() TRUNCATE `中`',
      'CREATE DATABASE `新店`',
      'DROP DATABASE `新店`',
    ];
    for (const statement of statements) await run(statement);
    await app.cacheflow.caughtUp();
    expect(await stage.redis.mget('made:中:1', 'made:beside:1')).toEqual(['cached', 'cached']);
    // What a routine does is written in the character set in which it was made, whoever calls it.
    const latin1 = await Speaker.open(stage, 'latin1');
    await stage.sql.query('CREATE PROCEDURE made.p() TRUNCATE made.`中`');
    const calls: [Speaker['run'], string][] = [
      [latin1.run, 'CALL made.p()'],
      [run, 'CALL made.p()'],
      [run, 'CALL made.`做`()'],
      [async (sql) => void (await stage.sql.query(sql)), 'CALL made.`做`()'],
    ];
    for (const [call, sql] of calls) {
      await stage.cache('made:中:1');
      await call(sql);
      await app.cacheflow.caughtUp();
      expect(await stage.redis.mget('made:中:1', 'made:beside:1')).toEqual([null, 'cached']);
    }
    expect(app.errors).toEqual([]);
    expect(wideFlushes(app)).toEqual([]);
  });

  it('whose bytes are UTF-8 of another name as well (通知 in gbk) is read in its own', async () => {
    const run = await clientOf(stage, 'GBK_CHINESE_CI');
    expect(Buffer.from('cda8d6aa', 'hex').toString('utf8')).toBe('\u0368\u05aa');
    const statements = ['TRUNCATE TABLE 通知', 'ALTER TABLE 通知 ADD a INT', 'RENAME TABLE 通知 TO 别的'];
    await prepare(stage, ['shop'], ['通知']);
    const app = await stage.app({ tables: [{ db: 'shop', table: '*' }] });
    await run('USE shop');
    for (const statement of statements) {
      await stage.cache('shop:通知:1', 'shop:beside:1');
      await run(statement);
      await app.cacheflow.caughtUp();
      expect(await stage.redis.mget('shop:通知:1', 'shop:beside:1'), statement).toEqual([null, 'cached']);
    }
    expect(app.errors).toEqual([]);
  });

  it('of words with a no-break space between, which some character sets have for white space', async () => {
    const latin1 = await Speaker.open(stage, 'latin1');
    await prepare(stage, ['made', 'far'], ['größe', '\u00a0x']);
    const app = await stage.app({ tables: FAR });
    await latin1.run('USE made');
    // Nobody but the server knows which character sets these are.
    for (const statement of [
      'TRUNCATE größe\u00a0/* */',
      'TRUNCATE\u00a0größe',
      'ALTER TABLE\u00a0größe ADD a INT',
    ]) {
      await stage.cache('made:größe:1', 'far:t:1');
      await latin1.run(statement);
      await app.cacheflow.caughtUp();
      expect(await stage.redis.mget('made:größe:1', 'far:t:1'), statement).toEqual([null, null]);
    }
    expect(app.errors.map((error) => error.constructor)).toEqual([1, 2, 3].map(() => EventUnsupportedError));
    // In quotes it is a part of the name, and so it is in UTF-8.
    const utf8 = await Speaker.open(stage, 'utf8mb4');
    await utf8.run('USE made');
    for (const [{ run }, statement] of [
      [latin1, 'TRUNCATE `\u00a0x`'],
      [utf8, 'TRUNCATE TABLE \u00a0x'],
    ] as const) {
      await stage.cache('made:\u00a0x:1', 'made:größe:1');
      await run(statement);
      await app.cacheflow.caughtUp();
      expect(await stage.redis.mget('made:\u00a0x:1', 'made:größe:1'), statement).toEqual([null, 'cached']);
    }
    expect(app.errors.length).toBe(3);
  });
});

describeOneSql('mysql', 'MySQL, which puts a question mark into names', {}, (stage) => {
  it.each([
    ['utf8mb4', 't😀'],
    ['gb18030', 't😀'],
  ])('(%s) is followed', async (charset, name) => {
    const { run } = await Speaker.open(stage, charset);
    await prepare(stage, ['made'], []);
    await run('USE made');
    await run(`CREATE TABLE \`${name}\` ${T}`);
    expect(await stage.sql.query("SHOW TABLES FROM made LIKE 't%'")).toEqual([
      { 'Tables_in_made (t%)': 't?' },
    ]);
    const app = await stage.app({ tables: [{ db: 'made', table: '*' }] });
    await stage.cache('made:t?:1', 'made:beside:1', 'made:tx:1');
    await run(`TRUNCATE \`${name}\``);
    await app.cacheflow.caughtUp();
    expect(await stage.redis.mget('made:t?:1', 'made:beside:1', 'made:tx:1')).toEqual([
      null,
      'cached',
      'cached',
    ]);
    expect(app.errors).toEqual([]);
  });

  it.each([
    ['ascii', Buffer.from('caf\u00e9')],
    ['gbk', Buffer.from('74ff61', 'hex')],
    ['utf8mb4', Buffer.from('74e961', 'hex')],
  ])('(%s) costs all keys where the bytes are no characters, loudly', async (charset, bytes) => {
    const speaker = await Speaker.open(stage, charset);
    await prepare(stage, ['made'], []);
    await speaker.run('USE made');
    const [create, end] = [Buffer.from('CREATE TABLE `'), Buffer.from(`\` ${T}`)];
    await speaker.send(Buffer.concat([create, bytes, end]));
    const [row] = await stage.sql.query(
      "SELECT TABLE_NAME AS name FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = 'made' AND TABLE_NAME <> 'beside'",
    );
    const app = await stage.app({ tables: [{ db: 'made', table: '*' }] });
    await stage.cache(`made:${String(row?.['name'])}:1`, 'made:beside:1');
    await speaker.send(Buffer.concat([Buffer.from('TRUNCATE `'), bytes, Buffer.from('`')]));
    await app.cacheflow.caughtUp();
    expect(await stage.redis.keys('made:*')).toEqual([]);
    expect(app.errors.map((error) => error.constructor)).toEqual([EventUnsupportedError]);
  });
});

describeOneSql('mariadb', 'MariaDB, which writes some statements in UTF-8', {}, (stage) => {
  it.each([
    ['通知', true],
    // Half a character too many for gbk, so that nobody can tell.
    ['中', false],
  ])('for a session that spoke gbk: the keys of %s go (and no others: %s)', async (name, exact) => {
    const { run } = await Speaker.open(stage, 'gbk');
    await prepare(stage, ['made'], [name]);
    const app = await stage.app({ tables: [{ db: 'made', table: '*' }] });
    await stage.cache(`made:${name}:1`, 'made:beside:1');
    await run(`CREATE OR REPLACE TABLE made.\`${name}\` AS SELECT 2 AS id`);
    await app.cacheflow.caughtUp();
    expect(await stage.redis.mget(`made:${name}:1`, 'made:beside:1')).toEqual([
      null,
      exact ? 'cached' : null,
    ]);
    expect(app.errors.map((error) => error.constructor)).toEqual(exact ? [] : [EventUnsupportedError]);
  });
});

const COMPRESSED = { args: ['--log-bin-compress=ON', '--log-bin-compress-min-len=10'] };

describeOneSql('mariadb', 'MariaDB, which compresses statements', { sql: COMPRESSED }, (stage) => {
  it.each(['gbk', 'sjis', 'euckr', 'koi8r', 'latin1', 'swe7'])(
    '(%s) has them read in the character set of their session',
    async (charset) => {
      const { run } = await Speaker.open(stage, charset);
      const [name = ''] = NAMES[charset]!;
      await prepare(stage, ['made', name], [name]);
      const app = await stage.app({ tables: ['made', name].map((db) => ({ db, table: '*' })) });
      const keys = [`made:${name}:1`, `${name}:${name}:1`];
      await run('USE made');
      const statements = [
        `TRUNCATE TABLE \`${name}\` /* ${name.repeat(200)} */`,
        `ALTER TABLE \`${name}\` ADD a INT COMMENT '${name.repeat(40)}'`,
        `DROP TABLE \`${name}\``,
      ];
      for (const statement of statements) {
        await stage.cache(...keys, 'made:beside:1');
        await run(statement);
        await app.cacheflow.caughtUp();
        expect(await stage.redis.mget(...keys, 'made:beside:1'), statement).toEqual([
          null,
          'cached',
          'cached',
        ]);
      }
      await run(`DROP DATABASE \`${name}\``);
      await app.cacheflow.caughtUp();
      expect(await stage.redis.mget(...keys, 'made:beside:1')).toEqual([null, null, 'cached']);
      expect(app.errors).toEqual([]);
      expect(wideFlushes(app)).toEqual([]);

      const MARIADB_QUERY_COMPRESSED = 165;
      const events = await readBinlog(stage.sql.connectionOptions(), { file: 'binlog.000001', position: 4 });
      expect(events.filter(({ type }) => type === MARIADB_QUERY_COMPRESSED).length).toBeGreaterThan(4);
    },
  );
});
