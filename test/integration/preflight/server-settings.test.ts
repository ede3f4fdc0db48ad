import { describe, expect, it } from 'vitest';
import type { MysqlSourceOptions, TableOptions } from '../../../lib';
import { CacheflowConfigurationError } from '../../../lib';
import type { Stage } from '../../support/each-sql';
import { describeEachSql } from '../../support/each-sql';
import { faultLines, refusedBoot } from '../../support/refused-boot';
import { startMariadb, startMysql, startRedis } from '../../support/servers';
import { waitFor } from '../../support/wait-for';

// Failure is loud: a wrong configuration fails the start with one error that lists every fault and its fix.

const SCHEMA = `
  CREATE DATABASE shop;
  CREATE TABLE shop.users (id INT PRIMARY KEY, name VARCHAR(50));
  CREATE TABLE shop.mails (user_id INT PRIMARY KEY, email VARCHAR(100), note TEXT);
  CREATE TABLE shop.journal (line VARCHAR(50), at INT);
  CREATE DATABASE closed; CREATE TABLE closed.vault (id INT PRIMARY KEY);`;

const USERS: TableOptions = { db: 'shop', table: 'users' };

/** An account with these grants, and the options to be it. */
async function account(stage: Stage, user: string, ...grants: string[]): Promise<MysqlSourceOptions> {
  await stage.sql.query(`DROP USER IF EXISTS ${user}; CREATE USER ${user} IDENTIFIED BY 'pw'`);
  for (const grant of grants) await stage.sql.query(`GRANT ${grant} TO ${user}`);
  return { ...stage.sql.connectionOptions(), user, password: 'pw' };
}

async function faults(stage: Stage, tables: TableOptions[], mysql?: MysqlSourceOptions): Promise<string[]> {
  const error = await refusedBoot(stage.options({ tables, ...(mysql ? { mysql } : {}) }));
  return faultLines(error.faults);
}

/** Runs a body while global variables of the server have other values. */
async function withGlobals(
  stage: Stage,
  values: Record<string, string>,
  body: () => Promise<void>,
): Promise<void> {
  const before: Record<string, string> = {};
  for (const name of Object.keys(values)) {
    const [row] = await stage.sql.query<{ value: string }>(`SELECT @@GLOBAL.${name} AS value`);
    before[name] = row?.value ?? '';
  }
  const set = (name: string, value: unknown) => stage.sql.query(`SET GLOBAL ${name} = ?`, [value]);
  try {
    for (const [name, value] of Object.entries(values)) await set(name, value);
    await body();
  } finally {
    for (const [name, value] of Object.entries(before))
      await set(name, Number(value) === 0 && value !== '' ? 0 : value);
  }
}

describeEachSql('a start with a wrong configuration', { schema: SCHEMA }, (stage) => {
  it.each(['STATEMENT', 'MIXED'])('is refused under binlog_format = %s', async (format) => {
    await withGlobals(stage, { binlog_format: format }, async () => {
      expect(await faults(stage, [USERS])).toEqual([
        `binlog_format: it is ${format}, so that the binlog has statements instead of rows | ` +
          "SET GLOBAL binlog_format = 'ROW'; then reconnect the application's sessions",
      ]);
    });
  });

  it.each(['MINIMAL', 'NOBLOB'])(
    'is refused under binlog_row_image = %s only where the key is not the primary key',
    async (image) => {
      await withGlobals(stage, { binlog_row_image: image }, async () => {
        const column = image === 'MINIMAL' ? 'email' : 'note';
        const tables: TableOptions[] = [USERS, { db: 'shop', table: 'mails', key: `mail:{${column}}` }];
        expect(await faults(stage, tables)).toEqual([
          `tables[1] (shop.mails): with binlog_row_image = ${image} a change may come without ${column}, which the ` +
            "key is made of | SET GLOBAL binlog_row_image = 'FULL', or make the key of the primary key's columns",
        ]);
        expect(
          await faults(stage, [USERS, { db: 'shop', table: 'mails', key: () => 'k', match: 'k' }]),
        ).toEqual([
          expect.stringMatching(
            /^tables\[1\] \(shop\.mails\): .* without columns that the key function reads/,
          ),
        ]);
        await stage.app({ tables: [USERS, { db: 'shop', table: 'mails', key: 'mail:{user_id}' }] });
      });
    },
  );

  it('is refused with the wrong password, and with a user that does not exist', async () => {
    const mysql = await account(stage, 'known', 'REPLICATION SLAVE, REPLICATION CLIENT ON *.*');
    const said = (user: string) => [
      expect.stringMatching(
        new RegExp(
          `^mysql\\.user, mysql\\.password: the server refuses the login of '${user}' \\(Access denied for user '${user}'@.*\\) \\| Correct the password, .*or: ` +
            `CREATE USER '${user}'@'%'.*GRANT REPLICATION SLAVE, REPLICATION CLIENT ON \\*\\.\\* TO '${user}'@'%'; GRANT SELECT`,
        ),
      ),
    ];
    expect(await faults(stage, [USERS], { ...mysql, password: 'wrong' })).toEqual(said('known'));
    expect(await faults(stage, [USERS], { ...mysql, user: 'nobody' })).toEqual(said('nobody'));
  });

  it('is refused for each missing grant, with the GRANT to run', async () => {
    const slave = 'it may not read the binlog (REPLICATION SLAVE)';
    const client = 'it may not see the binlog status (REPLICATION CLIENT)';
    const fault = (user: string, problem: string) =>
      `mysql.user: ${problem} | GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO '${user}'@'%'`;
    const select = 'SELECT ON shop.*';
    const noSlave = await account(stage, 'no_slave', 'REPLICATION CLIENT ON *.*', select);
    expect(await faults(stage, [USERS], noSlave)).toEqual([fault('no_slave', slave)]);
    const noClient = await account(stage, 'no_client', 'REPLICATION SLAVE ON *.*', select);
    expect(await faults(stage, [USERS], noClient)).toEqual([fault('no_client', client)]);
    const neither = await account(stage, 'neither', select);
    expect(await faults(stage, [USERS], neither)).toEqual([
      fault('neither', client),
      fault('neither', slave),
    ]);
  });

  it('is refused when a named table may not be read, and goes through once what it says was run', async () => {
    const mysql = await account(
      stage,
      'blind',
      'REPLICATION SLAVE, REPLICATION CLIENT ON *.*',
      'SELECT ON shop.*',
    );
    const tables = [USERS, { db: 'closed', table: 'vault' }];
    const error = await refusedBoot(stage.options({ tables, mysql }));
    expect(faultLines(error.faults)).toEqual([
      "tables[1]: the user may not read closed.vault, or it does not exist | GRANT SELECT ON `closed`.`vault` TO 'blind'@'%'",
    ]);
    await stage.sql.query(error.faults[0]!.fix);
    const app = await stage.app({ tables, mysql });
    expect(app.cacheflow.status().state).toBe('streaming');
  });

  it('is refused for keys that cannot be made, with the near miss', async () => {
    const lines = await faults(stage, [
      { db: 'shop', table: 'journal' },
      { db: 'shop', table: 'mails', key: 'mail:{emial}' },
      { db: 'shop', table: 'users', keyFields: ['tenant_id', 'nam'] },
    ]);
    expect(lines).toEqual([
      'tables[0] (shop.journal): no key can be made: it has neither a column `id` nor a primary key | ' +
        'Set `keyFields` or `key` to columns that tell the rows apart, or add a primary key',
      'tables[1] (shop.mails): no key can be made: it has no column `emial`; its columns are user_id, email, note | ' +
        'Did you mean `email`?',
      'tables[2] (shop.users): no key can be made: it has no column `tenant_id`, `nam`; its columns are id, name | ' +
        'Did you mean `name`?',
    ]);
  });

  it('is refused for tables that a pattern finds and that cannot be keyed', async () => {
    expect(await faults(stage, [{ db: 'shop', table: '*' }])).toEqual([
      expect.stringMatching(/^tables\[0\] \(shop\.journal\): no key can be made/),
    ]);
  });

  it('is refused once, for all faults of options, grants, settings and tables together', async () => {
    await withGlobals(stage, { binlog_format: 'STATEMENT', binlog_row_image: 'MINIMAL' }, async () => {
      const mysql = await account(stage, 'lacking', 'SELECT ON shop.*');
      const options = stage.options({
        mysql,
        tables: [
          { db: 'shop', table: 'mails', key: 'mail:{email}' },
          { db: 'shop', table: 'journal' },
          { db: 'closed', table: 'vault' },
          { db: 'shop', table: 'users', ttlSeconds: 5 },
        ],
      });
      const error = await refusedBoot({ ...options, watchdogMilis: 3 } as typeof options);
      expect(error.faults.map(({ subject }) => subject)).toEqual([
        'watchdogMilis',
        'tables[3].ttlSeconds',
        'binlog_format',
        'mysql.user',
        'mysql.user',
        'tables[0] (shop.mails)',
        'tables[1] (shop.journal)',
        'tables[2]',
      ]);
      expect(error.code).toBe('CACHEFLOW_CONFIGURATION');
      expect(error.message).toMatch(
        /^Cacheflow "default" cannot start, 8 faults:\n {2}- watchdogMilis: .*\n {4}Fix: /,
      );
      for (const { problem, fix } of error.faults) {
        expect(error.message).toContain(problem);
        expect(error.message).toContain(`Fix: ${fix}`);
      }
    });
  });

  it('leaves no connection open', async () => {
    const mysql = await account(
      stage,
      'leaver',
      'REPLICATION SLAVE, REPLICATION CLIENT ON *.*',
      'SELECT ON shop.*',
    );
    const clients = async () =>
      (await stage.redisServer.command<string>('CLIENT', 'LIST')).trim().split('\n').length;
    const before = await clients();
    await faults(stage, [USERS, { db: 'shop', table: 'mails', key: '{nothing}' }], mysql);
    await waitFor(
      async () => {
        const open = await stage.sql.query<{ User: string }>('SHOW PROCESSLIST');
        return open.every(({ User }) => User !== 'leaver') && (await clients()) === before;
      },
      { message: 'all connections to be closed' },
    );
  });

  it('goes through with a warning for a table that does not exist, which is watched once it is there', async () => {
    await stage.sql.query('DROP TABLE IF EXISTS shop.user_s');
    const app = await stage.app({ tables: [{ db: 'shop', table: 'user_s' }] });
    expect(app.log).toContainEqual(
      expect.stringContaining(
        'tables[0]: shop.user_s does not exist (there is shop.users); it is watched from the moment it is created',
      ),
    );
    await stage.sql.query(
      "CREATE TABLE shop.user_s (id INT PRIMARY KEY, name VARCHAR(9)); INSERT shop.user_s VALUES (1, 'a')",
    );
    await stage.cache('shop:user_s:1');
    await stage.sql.query("UPDATE shop.user_s SET name = 'b'");
    await app.cacheflow.caughtUp();
    expect(await stage.redis.get('shop:user_s:1')).toBeNull();
    expect(app.events.map(({ action, after }) => [action, after])).toEqual([
      ['insert', { id: 1, name: 'a' }],
      ['update', { id: 1, name: 'b' }],
    ]);
    expect(app.errors).toEqual([]);
  });

  it('goes through with a warning for a pattern that matches nothing yet', async () => {
    const app = await stage.app({ tables: [{ db: 'later_*', table: '*' }] });
    expect(app.log.join('\n')).toContain('tables[0] (later_*.*) matches no table that can be seen yet');
  });

  it('goes through with a warning for an id that several rows may share', async () => {
    await stage.sql.query(`
      CREATE TABLE shop.tenant_docs (tenant INT, id INT, PRIMARY KEY (tenant, id));
      CREATE TABLE shop.unique_docs (tenant INT PRIMARY KEY, id INT, UNIQUE (id))`);
    const app = await stage.app({ tables: [{ db: 'shop', table: '*_docs' }] });
    const warnings = app.log.filter((line) => line.includes('several rows may share'));
    expect(warnings).toEqual([expect.stringContaining('tables[0] (shop.tenant_docs): its key is made of')]);
    await stage.sql.query('DROP TABLE shop.tenant_docs, shop.unique_docs');
  });

  it('goes through with a warning where row events do not describe themselves', async () => {
    const [row] = await stage.sql.query<{ value: string }>('SELECT @@GLOBAL.binlog_row_metadata AS value');
    expect(row?.value).toBe('FULL');
    await withGlobals(stage, { binlog_row_metadata: 'MINIMAL' }, async () => {
      const app = await stage.app({ tables: [USERS] });
      expect(app.log.join('\n')).toContain("SET GLOBAL binlog_row_metadata = 'FULL'");
    });
  });

  if (stage.kind === 'mysql') {
    it('is refused where the binlog is compressed or holds partial JSON', async () => {
      const values = { binlog_transaction_compression: 'ON', binlog_row_value_options: 'PARTIAL_JSON' };
      await withGlobals(stage, values, async () => {
        expect(await faults(stage, [USERS])).toEqual([
          'binlog_transaction_compression: compressed transactions cannot be read | ' +
            'SET GLOBAL binlog_transaction_compression = OFF',
          "binlog_row_value_options: partial JSON updates cannot be read | SET GLOBAL binlog_row_value_options = ''",
        ]);
      });
    });
  }
});

describe.each([
  ['MySQL', startMysql],
  ['MariaDB', startMariadb],
] as const)('%s without a binlog', (_name, start) => {
  it('is refused, together with what is wrong with the tables', async () => {
    const [sql, redis] = await Promise.all([start({ args: ['--skip-log-bin'] }), startRedis()]);
    try {
      await sql.query(SCHEMA);
      const error = await refusedBoot({
        mysql: sql.connectionOptions(),
        redis: { port: redis.port },
        tables: [USERS, { db: 'shop', table: 'journal' }],
      });
      expect(error).toBeInstanceOf(CacheflowConfigurationError);
      expect(faultLines(error.faults)).toEqual([
        'log_bin: the server writes no binlog | Start the server with --log-bin (my.cnf: [mysqld] log_bin = binlog)',
        expect.stringMatching(/^tables\[1\] \(shop\.journal\): no key can be made/),
      ]);
    } finally {
      await Promise.all([sql.dispose(), redis.dispose()]);
    }
  });
});
