import { Injectable } from '@nestjs/common';
import { createConnection } from 'mysql2/promise';
import { expect, it, vi } from 'vitest';
import type { CacheflowError, ChangeEvent, TableOptions, TableStrategy } from '../../lib';
import { CacheflowConfigurationError, OnBinlog } from '../../lib';
import { startApp } from '../support/app';
import type { AppOptions, TestApp } from '../support/app';
import type { Stage } from '../support/each-sql';
import { describeEachSql } from '../support/each-sql';
import { waitFor } from '../support/wait-for';

// The host app is safe: row values and passwords never reach a log, nor a message; the `cause` may hold them.

const VALUE = 'rowvalue-3f9a';
const PASSWORD = 'password-77c1';

const SCHEMA = `
  CREATE DATABASE shop;
  CREATE TABLE shop.keyed (id INT PRIMARY KEY, secret VARCHAR(50));
  CREATE TABLE shop.handled (id INT PRIMARY KEY, secret VARCHAR(50));
  CREATE TABLE shop.custom (id INT PRIMARY KEY, secret VARCHAR(50));
  CREATE TABLE shop.refused (id INT PRIMARY KEY, secret VARCHAR(50));
  CREATE TABLE shop.drifting (id INT PRIMARY KEY, secret VARCHAR(50));
  CREATE TABLE shop.docs (id INT PRIMARY KEY, body JSON);`;

/** Throws what an application throws without care: an error whose text, name and fields hold the row. */
function fail(row: unknown): never {
  throw Object.assign(new Error(`cannot handle ${JSON.stringify(row)}`), { row, sql: `SELECT '${VALUE}'` });
}

@Injectable()
class Careless implements TableStrategy {
  onInsert(event: ChangeEvent): void {
    fail(event.after);
  }
  onUpdate(event: ChangeEvent): void {
    fail(event.after);
  }
  onDelete(event: ChangeEvent): void {
    fail(event.before);
  }
}

@Injectable()
class Listener {
  @OnBinlog('shop.handled')
  onChange(event: ChangeEvent): void {
    // Not even an Error.
    if (event.after?.['id'] === 1) throw `thrown as text: ${JSON.stringify(event.after)}` as unknown as Error;
    fail(event.after);
  }
}

const TABLES: TableOptions[] = [
  { db: 'shop', table: 'keyed', key: (row: object) => fail(row), match: 'keyed:*' },
  { db: 'shop', table: 'handled' },
  { db: 'shop', table: 'custom', strategy: Careless },
  { db: 'shop', table: 'refused', strategy: 'write-through', key: 'refused:{secret}' },
  { db: 'shop', table: 'dr*' },
  { db: 'shop', table: 'docs', key: 'docs:{id}' },
];

/** Everything that an error shows without its cause: text, JSON, and each field down to the depths. */
function shown(error: CacheflowError): string {
  const fields = Object.entries(error).filter(([name]) => name !== 'cause');
  return [String(error), error.stack, JSON.stringify(Object.fromEntries(fields))].join('\n');
}

function expectNoSecrets(
  app: Pick<TestApp, 'log'> & { errors: readonly CacheflowError[] },
  printed: string,
): void {
  const everything = [...app.log, ...app.errors.map(shown), printed].join('\n');
  expect(everything).not.toContain(VALUE);
  expect(everything).not.toContain(PASSWORD);
}

/** What the process prints while a body runs. */
async function printedBy(body: () => Promise<void>): Promise<string> {
  let text = '';
  const spies = [process.stdout, process.stderr].map((stream) =>
    vi.spyOn(stream, 'write').mockImplementation((chunk) => {
      text += String(chunk);
      return true;
    }),
  );
  const consoles = (['log', 'info', 'warn', 'error', 'debug'] as const).map((method) =>
    vi.spyOn(console, method).mockImplementation((...parts: unknown[]) => {
      text += parts.map(String).join(' ');
    }),
  );
  try {
    await body();
  } finally {
    for (const spy of [...spies, ...consoles]) spy.mockRestore();
  }
  return text;
}

async function accounts(stage: Stage): Promise<{ mysql: object; redis: object }> {
  await stage.sql.query(`
    CREATE USER IF NOT EXISTS guarded IDENTIFIED BY '${PASSWORD}';
    GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO guarded; GRANT SELECT ON shop.* TO guarded`);
  await stage.redis.acl(
    'SETUSER',
    'guarded',
    'on',
    `>${PASSWORD}`,
    '+@all',
    '~cacheflow:*',
    '~cf:{cacheflow:*',
    '%R~*',
    '~keyed:*',
  );
  const guarded = { password: PASSWORD };
  return {
    mysql: { ...stage.sql.connectionOptions(), ...guarded, user: 'guarded' },
    redis: { port: stage.redisServer.port, username: 'guarded', ...guarded },
  };
}

describeEachSql('secrets', { schema: SCHEMA }, (stage) => {
  it('stay out of messages and logs, whatever fails while the tail runs', async () => {
    const { mysql, redis } = (await accounts(stage)) as {
      mysql: AppOptions['mysql'];
      redis: AppOptions['redis'];
    };
    const [row] = await stage.sql.query<{ value: string }>('SELECT @@GLOBAL.binlog_row_metadata AS value');
    await stage.sql.query("SET GLOBAL binlog_row_metadata = 'MINIMAL'");
    const write = await createConnection({ ...stage.sql.connectionOptions(), multipleStatements: true });
    let app!: TestApp;
    const printed = await printedBy(async () => {
      const tables = [...TABLES, { db: 'shop', table: 'later' }];
      const handlers = { maxAttempts: 1 };
      app = await stage.app(
        { mysql, redis, tables, handlers, reconnect: { minMillis: 20 } },
        { providers: [Listener] },
      );
      app.cacheflow.events$.subscribe((event) => fail(event.after ?? event.before));
      app.cacheflow.errors$.subscribe((error) => fail(error));
      app.cacheflow.pause();
      await write.query(`
        INSERT INTO shop.drifting VALUES (1, '${VALUE}'); ALTER TABLE shop.drifting ADD COLUMN age INT FIRST;
        CREATE TABLE shop.later (secret VARCHAR(50)); INSERT INTO shop.later VALUES ('${VALUE}')`);
      app.cacheflow.resume();
      for (const table of ['keyed', 'handled', 'custom', 'refused']) {
        await write.query(`INSERT INTO shop.${table} VALUES (1, '${VALUE}'), (2, '${VALUE}')`);
        await write.query(`UPDATE shop.${table} SET secret = '${VALUE}x' WHERE id = 1`);
      }
      await write.query(
        `SET SESSION binlog_format = STATEMENT; INSERT INTO shop.keyed VALUES (3, '${VALUE}')`,
      );
      if (stage.kind === 'mysql') {
        await write.query(`
          SET SESSION binlog_format = ROW, binlog_row_value_options = PARTIAL_JSON;
          INSERT INTO shop.docs VALUES (1, '{"a": "${'x'.repeat(100)}", "b": 1}');
          UPDATE shop.docs SET body = JSON_SET(body, '$.b', '${VALUE}')`);
      }
      await app.cacheflow.caughtUp();
      await waitFor(() => app.cacheflow.status().pendingHandlers === 0);
      await stage.sql.query("ALTER USER guarded IDENTIFIED BY 'another'");
      await endConnections(stage);
      await waitFor(() => app.errors.some(({ code }) => code === 'CACHEFLOW_SOURCE_UNAVAILABLE'));
      await waitFor(() => app.errors.some(({ message }) => message.includes('Access denied')));
      await stage.redis.acl('SETUSER', 'guarded', 'resetpass', '>another');
      await stage.redis.client('KILL', 'USER', 'guarded');
      await waitFor(() => app.errors.some(({ code }) => code === 'CACHEFLOW_REDIS_UNAVAILABLE'));
      await app.close();
    });
    await stage.sql.query('DROP USER guarded; DROP TABLE shop.later; SET GLOBAL binlog_row_metadata = ?', [
      row?.value,
    ]);
    await write.end();
    // All of it did fail, so that the silence below means something.
    expect([...new Set(app.errors.map(({ code }) => code))].sort()).toEqual([
      'CACHEFLOW_DEAD_LETTER',
      'CACHEFLOW_EVENT_UNSUPPORTED',
      'CACHEFLOW_HANDLER_FAILED',
      'CACHEFLOW_KEY_FAILED',
      'CACHEFLOW_REDIS_REFUSED',
      'CACHEFLOW_REDIS_UNAVAILABLE',
      'CACHEFLOW_ROW_UNDECODABLE',
      'CACHEFLOW_SOURCE_UNAVAILABLE',
      'CACHEFLOW_STRATEGY_FAILED',
      'CACHEFLOW_SUBSCRIBER_FAILED',
      'CACHEFLOW_TABLE_NOT_KEYABLE',
    ]);
    expect(JSON.stringify(app.errors.map(({ cause }) => String(cause)))).toContain(VALUE);
    expectNoSecrets(app, printed);
  });

  it('stay out of what a refused start says', async () => {
    const { mysql, redis } = (await accounts(stage)) as {
      mysql: AppOptions['mysql'];
      redis: AppOptions['redis'];
    };
    const refusals: CacheflowError[] = [];
    const lines: string[] = [];
    const printed = await printedBy(async () => {
      for (const wrong of [
        { mysql: { ...mysql, password: `${PASSWORD}x` }, redis },
        { mysql: { ...mysql, pasword: PASSWORD, port: PASSWORD } as unknown as AppOptions['mysql'], redis },
        { mysql, redis: `127.0.0.1:${PASSWORD}@6379` },
      ]) {
        const error: unknown = await startApp({ ...wrong, tables: [{ db: 'shop', table: 'keyed' }] }).catch(
          (reason: unknown) => reason,
        );
        expect(error).toBeInstanceOf(CacheflowConfigurationError);
        refusals.push(error as CacheflowConfigurationError);
      }
      const password = (): string => {
        throw new Error(`no ${PASSWORD}`);
      };
      const waiting = await startApp({
        mysql: { ...mysql, password },
        redis: { ...(redis as object), password },
        tables: [{ db: 'shop', table: 'keyed' }],
      });
      await waitFor(
        () => waiting.log.filter((line) => line.includes('The password function failed: Error')).length >= 2,
      );
      await waiting.close();
      refusals.push(...waiting.errors);
      lines.push(...waiting.log);
    });
    expectNoSecrets({ log: lines, errors: refusals }, printed);
  });
});

/** Ends every connection of the guarded account. */
async function endConnections(stage: Stage): Promise<void> {
  const open = await stage.sql.query<{ Id: number; User: string }>('SHOW PROCESSLIST');
  for (const { Id } of open.filter(({ User }) => User === 'guarded')) {
    // With the first one gone, the tail closes the others by itself.
    await stage.sql.query(`KILL ${Id}`).catch((error: unknown) => {
      if (!String(error).includes('Unknown thread id')) throw error;
    });
  }
}
