import { expect, it, onTestFinished } from 'vitest';
import type { MysqlSourceOptions, TableOptions } from '../../../lib';
import { SourceRows } from '../../../lib/rows/source-rows';
import { ControlConnection } from '../../../lib/mysql/control-connection';
import { openBarrierSession } from '../../../lib/barrier/barrier-session';
import type { Stage } from '../../support/each-sql';
import { describeEachSql } from '../../support/each-sql';
import { HoldingProxy } from '../../support/holding-proxy';
import { waitFor } from '../../support/wait-for';

// A server may be set up to begin sessions in any way. Ours read and write names and values as they are.

const NEVER = new AbortController().signal;

/** Sets a global variable for one test. New sessions begin with it. */
async function withGlobal(stage: Stage, name: string, value: string): Promise<void> {
  const [row] = await stage.sql.query<{ value: string }>(`SELECT @@GLOBAL.${name} AS value`);
  await stage.sql.query(`SET GLOBAL ${name} = ?`, [value]);
  onTestFinished(async () => {
    await stage.sql.query(`SET GLOBAL ${name} = ?`, [row?.value]);
  });
}

/** The account of the README, which init_connect is run for; it is not for SUPER. */
async function reader(stage: Stage, db: string): Promise<MysqlSourceOptions> {
  const user = 'reader';
  await stage.sql.query(`DROP USER IF EXISTS ${user}; CREATE USER ${user} IDENTIFIED BY 'pw';
    GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO ${user}; GRANT SELECT ON ${db}.* TO ${user}`);
  return { ...stage.sql.connectionOptions(), user, password: 'pw' };
}

// ---------------------------------------------------------------------------------------------------------------

const APOSTROPHE = "it's";
const ALL_QUOTES = '\\a"b`c\'d\\';
const QUOTED = '`\\a"b``c\'d\\`';
const TEXT = 'it\'s "a" \\ `b` \\\' 名';

const ODD_NAMES = `
  CREATE DATABASE shop;
  CREATE TABLE shop.\`it's\` (id INT PRIMARY KEY, s VARCHAR(100), k ENUM('a','b'));
  CREATE TABLE shop.${QUOTED} (id VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PRIMARY KEY, ${QUOTED} VARCHAR(100));`;

const MODES = ['NO_BACKSLASH_ESCAPES', 'ANSI_QUOTES', 'NO_BACKSLASH_ESCAPES,ANSI_QUOTES'];

describeEachSql(
  'names and texts with quotes in them',
  { schema: ODD_NAMES, sql: () => ({ args: [`--sql-mode=${MODES[2]}`] }) },
  (stage) => {
    const cases = MODES.flatMap((mode) =>
      ['MINIMAL', 'FULL'].flatMap((metadata) =>
        [false, true].map((wildcard) => ({ mode, metadata, wildcard })),
      ),
    );

    it.each(cases)(
      'pass through sql_mode $mode, metadata $metadata, by wildcard: $wildcard',
      async ({ mode, metadata, wildcard }) => {
        await withGlobal(stage, 'sql_mode', mode);
        await withGlobal(stage, 'binlog_row_metadata', metadata);
        await stage.sql.query(`DELETE FROM shop.\`it's\`; DELETE FROM shop.${QUOTED}`);
        const names = wildcard ? ['*'] : [APOSTROPHE, ALL_QUOTES];
        const aside = await stage.app({
          name: 'aside',
          tables: names.map((table) => ({ db: 'shop', table })),
        });
        const through = await stage.app({
          name: 'through',
          tables: names.map((table): TableOptions => ({
            db: 'shop',
            table,
            strategy: 'write-through',
            prefix: 'w:',
          })),
        });
        const keys = [`shop:${APOSTROPHE}:1`, `shop:${ALL_QUOTES}:${TEXT}`];
        await stage.cache(...keys);

        const writer = stage.sql;
        const hex = Buffer.from(TEXT).toString('hex');
        const text = `CONVERT(X'${hex}' USING utf8mb4)`;
        await writer.query(`INSERT INTO shop.\`it's\` VALUES (1, ${text}, 'b')`);
        await writer.query(`INSERT INTO shop.${QUOTED} VALUES (${text}, ${text})`);
        // Whose transaction can be read is told on MariaDB by a row that is looked for by its key.
        await writer.query(`UPDATE shop.${QUOTED} SET ${QUOTED} = CONCAT(${QUOTED}, ${text})`);
        await Promise.all([aside.cacheflow.caughtUp(), through.cacheflow.caughtUp()]);

        expect(await stage.redis.mget(...keys)).toEqual([null, null]);
        const values = await stage.redis.mget(...keys.map((key) => `w:${key}`));
        expect(values.map((value) => JSON.parse(value ?? 'null') as unknown)).toEqual([
          { id: 1, s: TEXT, k: 'b' },
          { id: TEXT, [ALL_QUOTES]: TEXT + TEXT },
        ]);
        expect(through.events.map(({ table, after }) => [table, after])).toEqual([
          [APOSTROPHE, { id: 1, s: TEXT, k: 'b' }],
          [ALL_QUOTES, { id: TEXT, [ALL_QUOTES]: TEXT }],
          [ALL_QUOTES, { id: TEXT, [ALL_QUOTES]: TEXT + TEXT }],
        ]);
        expect([...aside.errors, ...through.errors]).toEqual([]);
      },
    );
  },
);

// ---------------------------------------------------------------------------------------------------------------

const CHINESE = `
  CREATE DATABASE 商店;
  CREATE TABLE 商店.通知 (id INT PRIMARY KEY, 名字 VARCHAR(50), 种类 ENUM('猫','狗 é','🐟'), 标记 SET('α','β'),
    at TIMESTAMP(3) NULL, price DECIMAL(30,2));`;

/** What a server may be told to run at the beginning of each session. */
const INIT_CONNECT: Record<'both' | 'mysql' | 'mariadb', string[]> = {
  both: [
    'SET NAMES latin1',
    'SET NAMES gbk',
    'SET character_set_results = latin1',
    'SET character_set_client = latin1',
    'SET autocommit = 0',
    "SET SESSION sql_mode = 'ANSI,NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH'",
    "SET time_zone = '+09:00'",
    'SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE',
    'SET sql_select_limit = 1',
    'SET SESSION max_join_size = 1',
    'SET autocommit = 0, sql_select_limit = 2, NAMES latin1',
  ],
  mysql: ['SET max_execution_time = 1', 'SET show_gipk_in_create_table_and_information_schema = OFF'],
  mariadb: ['SET max_statement_time = 0.000001', "SET SESSION sql_mode = 'ORACLE'"],
};

describeEachSql(
  'a session that the server begins in its own way',
  { schema: CHINESE, sql: () => ({ args: ['--binlog-row-metadata=MINIMAL'] }) },
  (stage) => {
    it.each([...INIT_CONNECT.both, ...INIT_CONNECT[stage.kind]])(
      '%s: names and values are exact',
      async (sql) => {
        await withGlobal(stage, 'init_connect', sql);
        const mysql = await reader(stage, '商店');
        // No statement of ours may hold up an ALTER.
        await stage.sql.query('SET lock_wait_timeout = 5; TRUNCATE TABLE 商店.通知');
        const tables: TableOptions[] = [{ db: '商店', table: '*', strategy: 'write-through' }];
        const app = await stage.app({ tables, mysql: { ...mysql, timezone: 'Z' } });
        await stage.sql.query(
          `SET time_zone = '+00:00'; INSERT INTO 商店.通知 VALUES (1, '小明 ö', '狗 é', 'α,β', '2020-06-15 12:00:00.120', 1.10)`,
        );
        await app.cacheflow.caughtUp();
        const row = {
          id: 1,
          名字: '小明 ö',
          种类: '狗 é',
          标记: 'α,β',
          at: new Date('2020-06-15T12:00:00.120Z'),
          price: '1.10',
        };
        expect(app.events.map(({ after }) => after)).toEqual([row]);
        expect(await stage.redis.get('商店:通知:1')).toBe(JSON.stringify(row));

        await stage.sql.query("ALTER TABLE 商店.通知 ADD COLUMN 新 ENUM('一','二') FIRST");
        onTestFinished(async () => {
          await stage.sql.query('ALTER TABLE 商店.通知 DROP COLUMN 新');
        });
        await stage.sql.query("UPDATE 商店.通知 SET 新 = '二' WHERE 名字 = '小明 ö'");
        await app.cacheflow.caughtUp();
        const later = { 新: '二', ...row };
        expect(app.events.at(-1)?.after).toEqual(later);
        expect(await stage.redis.get('商店:通知:1')).toBe(JSON.stringify(later));
        expect(app.errors).toEqual([]);
      },
    );

    /** What a session of ours has, whatever the server does. */
    const settings = (kind: Stage['kind']): Record<string, unknown> => ({
      character_set_client: 'utf8mb4',
      character_set_connection: 'utf8mb4',
      character_set_results: 'utf8mb4',
      sql_mode: '',
      autocommit: 'ON',
      group_concat_max_len: '1073741824',
      sql_select_limit: '18446744073709551615',
      sql_big_selects: 'ON',
      sql_quote_show_create: 'ON',
      wait_timeout: '28800',
      ...(kind === 'mysql'
        ? {
            transaction_isolation: 'READ-COMMITTED',
            max_execution_time: '0',
            show_gipk_in_create_table_and_information_schema: 'ON',
          }
        : { tx_isolation: 'READ-COMMITTED', max_statement_time: '0.000000' }),
    });

    it('has the settings that it needs, for each use of it', async () => {
      await withGlobal(
        stage,
        'init_connect',
        `SET NAMES latin1, sql_mode = 'ANSI', autocommit = 0, group_concat_max_len = 4, sql_select_limit = 3,
          max_join_size = 5, sql_quote_show_create = 0, wait_timeout = 7, lock_wait_timeout = 5000,
          innodb_lock_wait_timeout = 5000, time_zone = '+09:00'${
            stage.kind === 'mysql'
              ? ", transaction_isolation = 'SERIALIZABLE', max_execution_time = 900, show_gipk_in_create_table_and_information_schema = OFF"
              : ", tx_isolation = 'SERIALIZABLE', max_statement_time = 0.9"
          }`,
      );
      const mysql = await reader(stage, '商店');
      const connections: [ControlConnection, Record<string, unknown>][] = [
        [await ControlConnection.open(mysql), { time_zone: '+00:00', lock_wait_timeout: '10' }],
        [
          (await openBarrierSession(mysql, NEVER)).control,
          { time_zone: '+00:00', lock_wait_timeout: '1', innodb_lock_wait_timeout: '1' },
        ],
        // It reads TIMESTAMPs as the app's own sessions do.
        [
          (await SourceRows.open(mysql, NEVER)).control,
          { time_zone: '+09:00', lock_wait_timeout: '10', innodb_lock_wait_timeout: '10' },
        ],
      ];
      for (const [connection] of connections) onTestFinished(() => connection.close());
      for (const [connection, own] of connections) {
        const expected = { ...settings(stage.kind), ...own };
        const rows = await connection.query('SHOW SESSION VARIABLES WHERE Variable_name IN (?)', [
          Object.keys(expected),
        ]);
        expect(Object.fromEntries(rows.map((row) => [row['Variable_name'], row['Value']]))).toEqual(expected);
      }
    });

    it('is given up when its set-up is not answered, or fails', async () => {
      const mysql = await reader(stage, '商店');
      const proxy = await HoldingProxy.start(stage.sql.port);
      onTestFinished(() => proxy.dispose());
      proxy.holdFrom('SET NAMES');
      const aborter = new AbortController();
      const opening = ControlConnection.open({ ...mysql, port: proxy.port }, aborter.signal);
      const rejection = expect(opening).rejects.toThrow('enough');
      await waitFor(() => proxy.requests.length > 0, { message: 'the set-up' });
      aborter.abort(new Error('enough'));
      await rejection;
      const open = async () =>
        (await stage.sql.query<{ User: string }>('SHOW PROCESSLIST')).filter(({ User }) => User === 'reader');
      await waitFor(async () => (await open()).length === 0, { message: 'the connection to be closed' });

      await withGlobal(stage, 'init_connect', 'SET no_such_variable = 1');
      await expect(ControlConnection.open(mysql)).rejects.toMatchObject({
        code: expect.stringMatching(/^(ER_|PROTOCOL_|ECONN)/),
      });
      await waitFor(async () => (await open()).length === 0, { message: 'the connection to be closed' });
    });
  },
);
