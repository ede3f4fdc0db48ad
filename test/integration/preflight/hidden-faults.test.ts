import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { MysqlSourceOptions, TableOptions } from '../../../lib';
import { connectRedis, describeEachSql, Stage } from '../../support/each-sql';
import { faultLines, refusedBoot } from '../../support/refused-boot';
import { replicate } from '../../support/replicate';
import type { SqlServer } from '../../support/servers';
import { freePort, startMariadb, startMysql, startRedis } from '../../support/servers';
import { waitFor } from '../../support/wait-for';

// What the source does not write into its binlog is told at the start, not found out by stale keys.

const GRANTS = ['REPLICATION SLAVE, REPLICATION CLIENT ON *.*', 'SELECT ON shop.*'];

/** An account with these grants, and the options to be it. */
async function account(sql: SqlServer, user: string, ...grants: string[]): Promise<MysqlSourceOptions> {
  await sql.query(`DROP USER IF EXISTS ${user}; CREATE USER ${user} IDENTIFIED BY 'pw'`);
  for (const grant of grants) await sql.query(`GRANT ${grant} TO ${user}`);
  return { ...sql.connectionOptions(), user, password: 'pw' };
}

async function faults(stage: Stage, tables: TableOptions[], mysql?: MysqlSourceOptions): Promise<string[]> {
  const error = await refusedBoot(stage.options({ tables, ...(mysql ? { mysql } : {}) }));
  return faultLines(error.faults);
}

/** What a start that goes through has to say, in lines that hold one of the words. */
async function warnings(
  stage: Stage,
  words: RegExp,
  tables: TableOptions[],
  mysql?: MysqlSourceOptions,
): Promise<string[]> {
  const app = await stage.app({ tables, ...(mysql ? { mysql } : {}) });
  await app.close();
  return app.log.filter((line) => words.test(line));
}

const all = (db: string, table = '*'): TableOptions => ({ db, table });

const ABOUT_FILTERS = /binlog-(do|ignore)-db/;
const DATABASES = ['shop', 'shop_eu', 'hidden', 'mixed', 'empty_one']
  .map((db) => `CREATE DATABASE ${db};`)
  .join('\n');
const TABLES = `
  CREATE TABLE shop.users (id INT PRIMARY KEY); CREATE TABLE shop_eu.users (id INT PRIMARY KEY);
  CREATE TABLE mixed.users (id INT PRIMARY KEY); CREATE TABLE hidden.secrets (id INT PRIMARY KEY);`;

const IGNORED = ['hidden', 'shop_eu', 'Mixed', 'empty_one', 'later_on', 'mysql'];

/** What is said besides of an entry whose database is a pattern. */
const orNamed = (subject: string): string =>
  /\([^.]*\*/.test(subject) ? '; or name the databases to watch instead of a pattern' : '';

describeEachSql(
  'a source with binlog-ignore-db',
  { schema: DATABASES + TABLES, sql: () => ({ args: IGNORED.map((db) => `--binlog-ignore-db=${db}`) }) },
  (stage) => {
    const list = IGNORED.join(',');
    const fault = (subject: string, db: string) =>
      `${subject}: binlog-ignore-db is ${list} and leaves out ${db}, so that no change in it is in the binlog | ` +
      `Remove ${db} from binlog-ignore-db (my.cnf, [mysqld]), and restart the server${orNamed(subject)}`;

    it('is refused for what it hides of the watched tables', async () => {
      const tables = [all('shop', 'users'), all('hidden', 'secrets'), all('shop_eu'), all('later_on', 'x')];
      expect(await faults(stage, tables)).toEqual([
        fault('tables[1] (hidden.secrets)', 'hidden'),
        fault('tables[2] (shop_eu.*)', 'shop_eu'),
        fault('tables[3] (later_on.x)', 'later_on'),
      ]);
      const mysql = await account(stage.sql, 'reader', ...GRANTS, 'SELECT ON hidden.*');
      expect(await faults(stage, tables.slice(0, 2), mysql)).toEqual([
        fault('tables[1] (hidden.secrets)', 'hidden'),
      ]);
    });

    it('is refused for a pattern that matches what it hides', async () => {
      expect(await faults(stage, [all('shop*')])).toEqual([fault('tables[0] (shop*.*)', 'shop_eu')]);
      expect(await faults(stage, [all('*', 'users')])).toEqual([fault('tables[0] (*.users)', 'shop_eu')]);
      expect(await faults(stage, [all('*', 'sec*s')])).toEqual([fault('tables[0] (*.sec*s)', 'hidden')]);
      expect(await faults(stage, [all('empty_*')])).toEqual([fault('tables[0] (empty_*.*)', 'empty_one')]);
    });

    it('is taken with a warning for a pattern that may come to match it', async () => {
      const statements = expect.stringContaining('TRUNCATE, DROP, RENAME and ALTER');
      expect(await warnings(stage, ABOUT_FILTERS, [all('*en', 'users')])).toEqual([
        expect.stringContaining(
          `tables[0] (*en.users): binlog-ignore-db is ${list} and leaves out hidden, so that no change in it is in the ` +
            'binlog. No table there matches yet. Remove hidden from binlog-ignore-db (my.cnf, [mysqld]), and restart the server',
        ),
        statements,
      ]);
      expect(await warnings(stage, ABOUT_FILTERS, [all('l*')])).toEqual([
        expect.stringContaining(
          `tables[0] (l*.*): binlog-ignore-db is ${list}, so that the changes of later_on are not in the binlog, should ` +
            'the pattern match it one day',
        ),
        statements,
      ]);
    });

    it('is taken for what it does not hide, and says how statements are filtered', async () => {
      // The database is mixed, the option names Mixed; the server's own databases match no pattern.
      const told = await warnings(stage, ABOUT_FILTERS, [all('shop'), all('mixed'), all('my*')]);
      expect(told).toEqual([
        expect.stringContaining(
          `binlog-ignore-db is ${list}: TRUNCATE, DROP, RENAME and ALTER are filtered by the default database of the ` +
            `session that runs them, and not by their table. After a USE of ${list} they are not in the binlog`,
        ),
      ]);
      const app = await stage.app({ tables: [all('shop'), all('mixed')] });
      await stage.cache('shop:users:1', 'mixed:users:1', 'shop:users:2');
      await stage.sql.query(
        'USE hidden; INSERT INTO shop.users VALUES (1); INSERT INTO mixed.users VALUES (1)',
      );
      await app.cacheflow.caughtUp();
      expect(await stage.redis.mget('shop:users:1', 'mixed:users:1')).toEqual([null, null]);
      // The warning is true.
      await stage.sql.query('USE hidden; TRUNCATE shop.users');
      await app.cacheflow.caughtUp();
      expect(await stage.redis.get('shop:users:2')).toBe('cached');
      await stage.sql.query('USE shop; TRUNCATE shop.users; TRUNCATE mixed.users');
      await app.cacheflow.caughtUp();
      expect(await stage.redis.get('shop:users:2')).toBeNull();
    });
  },
);

describeEachSql(
  'a source with binlog-do-db',
  {
    schema: DATABASES + TABLES,
    sql: () => ({ args: ['--binlog-do-db=shop', '--binlog-do-db=empty_one', '--binlog-ignore-db=shop'] }),
  },
  (stage) => {
    const fault = (subject: string, db: string) =>
      `${subject}: binlog-do-db is shop,empty_one and leaves out ${db}, so that no change in it is in the binlog | ` +
      `Add binlog-do-db = ${db} in a line of its own, or remove all binlog-do-db (my.cnf, [mysqld]), and restart the server${orNamed(subject)}`;

    it('is refused for what it leaves out of the watched tables, also by a pattern', async () => {
      const tables = [
        all('shop', 'users'),
        all('hidden', 'secrets'),
        all('nowhere', 'x'),
        all('sh*', 'users'),
      ];
      expect(await faults(stage, tables)).toEqual([
        fault('tables[1] (hidden.secrets)', 'hidden'),
        fault('tables[2] (nowhere.x)', 'nowhere'),
        fault('tables[3] (sh*.users)', 'shop_eu'),
      ]);
    });

    it('is taken for what it names, whatever binlog-ignore-db says, and warns of patterns and of statements', async () => {
      const statements = expect.stringMatching(
        /binlog-do-db is shop,empty_one: TRUNCATE, .* After a USE of a database that it leaves out .* Each database needs a line of its own/,
      );
      expect(await warnings(stage, ABOUT_FILTERS, [all('shop', 'users'), all('empty_one')])).toEqual([
        statements,
      ]);
      expect(await warnings(stage, ABOUT_FILTERS, [all('shop', 'users'), all('empty*')])).toEqual([
        expect.stringContaining(
          'tables[1] (empty*.*): binlog-do-db is shop,empty_one, so that the changes of any other database are not in the binlog',
        ),
        statements,
      ]);
    });
  },
);

describeMariadb(
  'MariaDB with lower_case_table_names',
  ['--lower-case-table-names=1', '--binlog-do-db=SHOP', '--binlog-do-db=other'],
  (stage) => {
    it('compares with names in lower case, so that an option in upper case hides all', async () => {
      await stage.sql.query(
        'CREATE DATABASE SHOP; CREATE DATABASE OTHER; CREATE TABLE SHOP.t (id INT PRIMARY KEY); CREATE TABLE OTHER.T (id INT PRIMARY KEY)',
      );
      expect(await faults(stage, [all('shop', 't'), all('other', 't')])).toEqual([
        expect.stringMatching(/^tables\[0\] \(shop\.t\): binlog-do-db is SHOP,other and leaves out shop,/),
      ]);
      // What is wrong with its case is told as well.
      expect(await faults(stage, [all('OTHER', 't')])).toEqual([
        expect.stringMatching(/^tables\[0\]: the server writes other\.t into its binlog/),
      ]);
      await stage.app({ tables: [all('other', 't')] });
    });
  },
);

/** Tests of what only MariaDB has. */
function describeMariadb(title: string, args: string[], body: (stage: Stage) => void): void {
  describe(title, () => {
    const stage = new Stage('mariadb');
    beforeAll(async () => {
      [stage.sql, stage.redisServer] = await Promise.all([startMariadb({ args }), startRedis()]);
      stage.redis = connectRedis(stage.redisServer);
    });
    afterEach(() => stage.closeApps());
    afterAll(async () => {
      stage.redis?.disconnect();
      await Promise.all([stage.sql?.dispose(), stage.redisServer?.dispose()]);
    });
    body(stage);
  });
}

// ---------------------------------------------------------------------------------------------------------------

const ABOUT_REPLICAS = /log_(replica|slave)_updates/;

describeEachSql(
  'a source that may be a replica',
  { schema: 'CREATE DATABASE shop; CREATE TABLE shop.users (id INT PRIMARY KEY)' },
  (stage) => {
    const [option, RESET] =
      stage.kind === 'mysql'
        ? ['log_replica_updates', 'RESET REPLICA ALL']
        : ['log_slave_updates', 'RESET SLAVE ALL'];
    const STOP = stage.kind === 'mysql' ? 'STOP REPLICA' : 'STOP SLAVE';
    const cure = `Set ${option} = ON (my.cnf, [mysqld]) and restart the server`;
    const fault =
      `${option}: it is OFF on a replica, whose binlog then lacks what it gets from its source | ${cure}, or set ` +
      `\`mysql\` to the address of that source. If the server is no replica any more: ${RESET}`;
    const users = [all('shop', 'users')];

    async function start(updates: 'ON' | 'OFF'): Promise<SqlServer> {
      const args = ['--server-id=2', `--${option.replaceAll('_', '-')}=${updates}`];
      const server = await (stage.kind === 'mysql' ? startMysql({ args }) : startMariadb({ args }));
      onTestFinished(() => server.dispose());
      return server;
    }

    async function startReplica(updates: 'ON' | 'OFF'): Promise<SqlServer> {
      const replica = await start(updates);
      await replica.query(replicate(stage.sql));
      await waitFor(async () => (await replica.query("SHOW TABLES FROM shop LIKE 'users'")).length === 1, {
        message: 'the replica',
        timeoutMillis: 30_000,
      });
      return replica;
    }

    it('is refused when it logs nothing of what it applies, running or stopped, until it is no replica', async () => {
      const replica = await startReplica('OFF');
      const mysql = replica.connectionOptions();
      expect(await faults(stage, users, mysql)).toEqual([fault]);
      await replica.query(STOP);
      expect(await faults(stage, users, mysql)).toEqual([fault]);
      await replica.query(RESET);
      expect(await warnings(stage, ABOUT_REPLICAS, users, mysql)).toEqual([]);
    });

    it('is judged with the grants of the README', async () => {
      const replica = await startReplica('OFF');
      // Not by way of the source, whose accounts it has not got.
      const mysql = await account(replica, 'reader', ...GRANTS);
      expect(await faults(stage, users, mysql)).toEqual([fault]);
      await replica.query(STOP);
      if (stage.kind === 'mariadb') {
        const told = expect.stringContaining(
          'log_slave_updates is OFF, and the user may not see whether the server is a replica: what one applies is not ' +
            "in its binlog then, and keys stay. GRANT SLAVE MONITOR ON *.* TO 'reader'@'%' lets this be checked",
        );
        expect(await warnings(stage, ABOUT_REPLICAS, users, mysql)).toEqual([told]);
        await replica.query("GRANT SLAVE MONITOR ON *.* TO 'reader'@'%'");
      }
      expect(await faults(stage, users, mysql)).toEqual([fault]);
      await replica.query(RESET);
      expect(await warnings(stage, ABOUT_REPLICAS, users, mysql)).toEqual([]);
    });

    it('is taken when it logs what it applies', async () => {
      const replica = await startReplica('ON');
      const app = await stage.app({ tables: users, mysql: replica.connectionOptions() });
      await stage.cache('shop:users:1');
      await stage.sql.query('INSERT INTO shop.users VALUES (1)');
      await waitFor(async () => (await stage.redis.get('shop:users:1')) === null);
      expect(app.log.filter((line) => ABOUT_REPLICAS.test(line))).toEqual([]);
    });

    it('is taken when it is none, without a word, also with the grants of the README', async () => {
      const server = await start('OFF');
      await server.query('CREATE DATABASE shop; CREATE TABLE shop.users (id INT PRIMARY KEY)');
      expect(await warnings(stage, ABOUT_REPLICAS, users, server.connectionOptions())).toEqual([]);
      const mysql = await account(server, 'reader', ...GRANTS);
      expect(await warnings(stage, ABOUT_REPLICAS, users, mysql)).toEqual([]);
    });

    if (stage.kind === 'mariadb') {
      it('is refused as well when it has its source under a name', async () => {
        const server = await start('OFF');
        await server.query('CREATE DATABASE shop; CREATE TABLE shop.users (id INT PRIMARY KEY)');
        await server.query(`CHANGE MASTER 'other' TO MASTER_HOST='127.0.0.1', MASTER_PORT=${stage.sql.port}`);
        expect(await faults(stage, users, server.connectionOptions())).toEqual([fault]);
      });

      it.each([
        ['was set up', `CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=1`],
        ['is told to have replicated', "SET GLOBAL gtid_slave_pos = '0-9-5'"],
      ])('is taken with a warning when it %s, and more may not be seen', async (_title, sql) => {
        const server = await start('OFF');
        await server.query(`CREATE DATABASE shop; CREATE TABLE shop.users (id INT PRIMARY KEY); ${sql}`);
        const mysql = await account(server, 'reader', ...GRANTS);
        expect(await warnings(stage, ABOUT_REPLICAS, users, mysql)).toEqual([
          expect.stringContaining('the user may not see whether the server is a replica'),
        ]);
      });
    }
  },
);

const GALERA = ['/usr/lib/galera/libgalera_smm.so', '/usr/lib64/galera/libgalera_smm.so'].find((path) =>
  existsSync(path),
);

describeMariadb('MariaDB with wsrep_on', [], (stage) => {
  async function start(...args: string[]): Promise<MysqlSourceOptions> {
    const server = await startMariadb({ args: ['--wsrep-on=ON', ...args] });
    onTestFinished(() => server.dispose());
    await server.query('CREATE DATABASE shop; CREATE TABLE shop.users (id INT PRIMARY KEY)');
    return server.connectionOptions();
  }

  async function startNode(...args: string[]): Promise<MysqlSourceOptions> {
    const [port, transfers] = [await freePort(), await freePort()];
    return start(
      `--wsrep-provider=${GALERA}`,
      '--wsrep-cluster-address=gcomm://',
      '--wsrep-new-cluster',
      `--wsrep-node-address=127.0.0.1:${port}`,
      `--wsrep-provider-options=gmcast.listen_addr=tcp://127.0.0.1:${port};ist.recv_addr=127.0.0.1:${transfers}`,
      '--innodb-autoinc-lock-mode=2',
      ...args,
    );
  }

  it.skipIf(!GALERA)('is refused on a node of a cluster that does not log what others write', async () => {
    expect(await faults(stage, [all('shop', 'users')], await startNode())).toEqual([
      'log_slave_updates: it is OFF on a node of a Galera cluster, whose binlog then lacks what the other nodes write | ' +
        'Set log_slave_updates = ON (my.cnf, [mysqld]) and restart the server',
    ]);
  });

  it.skipIf(!GALERA)('is taken on one that does', async () => {
    const mysql = await startNode('--log-slave-updates=ON');
    expect(await warnings(stage, ABOUT_REPLICAS, [all('shop', 'users')], mysql)).toEqual([]);
  });

  it('is taken without a cluster', async () => {
    expect(await warnings(stage, ABOUT_REPLICAS, [all('shop', 'users')], await start())).toEqual([]);
  });
});

// ---------------------------------------------------------------------------------------------------------------

const VIEWS = `
  CREATE DATABASE shop; CREATE DATABASE other; CREATE DATABASE \`u\`;
  CREATE TABLE shop.users (id INT PRIMARY KEY, name VARCHAR(50), at DATETIME);
  CREATE TABLE shop.mails (id INT PRIMARY KEY, email VARCHAR(50));
  CREATE TABLE other.\`it's \`\`t\` (id INT PRIMARY KEY, a INT);
  CREATE TABLE u.at (id INT PRIMARY KEY);
  CREATE TABLE shop.gone (id INT PRIMARY KEY);
  CREATE VIEW shop.v_plain AS SELECT * FROM shop.users;
  CREATE VIEW shop.v_join AS SELECT u.id, m.email FROM shop.v_plain u JOIN shop.mails m ON u.id = m.id
    WHERE m.email <> ' from \`u\`.\`at\` ''' AND EXTRACT(YEAR FROM u.at) > 2000 AND TRIM(BOTH 'x' FROM u.name) <> '' AND TRIM(LEADING u.name FROM u.name) <> 'y';
  CREATE VIEW shop.v_over AS SELECT id, (SELECT COUNT(*) FROM other.\`it's \`\`t\` t WHERE t.id = j.id) AS n FROM shop.v_join j;
  CREATE VIEW shop.v_union AS SELECT a.id FROM (SELECT id FROM shop.mails UNION SELECT id FROM other.\`it's \`\`t\`) a;
  CREATE VIEW shop.v_nested AS SELECT a.id FROM shop.mails a LEFT JOIN (shop.users b STRAIGHT_JOIN other.\`it's \`\`t\` c) ON a.id = b.id;
  CREATE VIEW shop.v_alias AS SELECT users.id FROM shop.mails users;
  CREATE VIEW shop.v_const AS SELECT 1 AS one;
  CREATE VIEW shop.v_gone AS SELECT * FROM shop.gone; DROP TABLE shop.gone;
  CREATE VIEW other.v_far AS SELECT * FROM shop.mails;
  CREATE VIEW shop.v_far AS SELECT f.id FROM other.v_far f JOIN shop.users ON users.id = f.id;`;

describeEachSql('a start that names what is no table', { schema: VIEWS }, (stage) => {
  const view = (name: string, fix: string) =>
    `tables[0] (shop.${name}): it is a view, and changes are in the binlog under the names of the tables that it reads from | ${fix}`;
  const reads = (...tables: string[]) =>
    `Watch the tables that it reads from: ${tables.map((each) => `{ db: '${each.split('.')[0]}', table: '${each.split('.')[1]}' }`).join(', ')}`;
  const odd = "other.it's `t";

  it.each([
    ['v_plain', 'shop.users'],
    ['v_join', 'shop.mails', 'shop.users'],
    ['v_over', odd, 'shop.mails', 'shop.users'],
    ['v_union', 'shop.mails', odd],
    ['v_nested', 'shop.mails', 'shop.users', odd],
    ['v_alias', 'shop.mails'],
    ['v_gone', 'shop.gone'],
    ['v_far', 'shop.users', 'shop.mails'],
  ])('is refused for the view %s, with the tables below it', async (name, ...tables) => {
    expect(await faults(stage, [all('shop', name)])).toEqual([view(name, reads(...tables))]);
    // SHOW VIEW is what it takes to see them, whatever may be read of them.
    const mysql = await account(
      stage.sql,
      'shower',
      ...GRANTS,
      'SHOW VIEW ON shop.*',
      'SHOW VIEW, SELECT ON other.*',
    );
    expect(await faults(stage, [all('shop', name)], mysql)).toEqual([view(name, reads(...tables))]);
  });

  it('is refused for a view of nothing', async () => {
    expect(await faults(stage, [all('shop', 'v_const')])).toEqual([
      view('v_const', 'Remove the entry: it reads from no table'),
    ]);
  });

  it('is refused without the names where the definition may not be seen, and tells the GRANT', async () => {
    const mysql = await account(stage.sql, 'blind', ...GRANTS, 'SELECT ON other.*');
    const error = await refusedBoot(stage.options({ mysql, tables: [all('shop', 'v_plain')] }));
    const grant = "GRANT SHOW VIEW ON `shop`.`v_plain` TO 'blind'@'%'";
    expect(faultLines(error.faults)).toEqual([
      view(
        'v_plain',
        `Watch the tables that it reads from: they cannot be told, because the user may not see the definition of shop.v_plain. ${grant}`,
      ),
    ]);
    await stage.sql.query(grant);
    expect(await faults(stage, [all('shop', 'v_plain')], mysql)).toEqual([
      view('v_plain', reads('shop.users')),
    ]);
    await stage.sql.query("GRANT SHOW VIEW ON shop.* TO 'blind'@'%'");
    expect(await faults(stage, [all('shop', 'v_far')], mysql)).toEqual([
      view(
        'v_far',
        `${reads('shop.users')}. More cannot be told, because the user may not see the definition of other.v_far. ` +
          "GRANT SHOW VIEW ON `other`.`v_far` TO 'blind'@'%'",
      ),
    ]);
  });

  it('is refused for what shows the state of the server', async () => {
    const lines = await faults(stage, [
      all('information_schema', 'TABLES'),
      all('performance_schema', 'threads'),
    ]);
    expect(lines).toEqual([
      expect.stringMatching(/^tables\[0\] \(information_schema\.TABLES\): it shows the server's own state/),
      expect.stringMatching(/^tables\[1\] \(performance_schema\.threads\): it shows the server's own state/),
    ]);
  });

  it('goes through for a pattern that matches views among tables, without a word about them', async () => {
    const told = await warnings(stage, /v_|view|SEQUENCE|ticket/i, [all('shop')]);
    expect(told).toEqual([]);
  });

  if (stage.kind === 'mariadb') {
    it('is refused for a SEQUENCE, and passes over it by a pattern', async () => {
      await stage.sql.query('CREATE SEQUENCE shop.tickets');
      const mysql = await account(stage.sql, 'reader', ...GRANTS);
      expect(await faults(stage, [all('shop', 'tickets')], mysql)).toEqual([
        'tables[0] (shop.tickets): it is a SEQUENCE, which has no rows that could be cached | Remove the entry',
      ]);
      expect(await warnings(stage, /v_|view|SEQUENCE|ticket/i, [all('shop')], mysql)).toEqual([]);
    });
  }
});

// ---------------------------------------------------------------------------------------------------------------

const CHILD = '(id INT NOT NULL, n INT, PRIMARY KEY (id)) ENGINE=MyISAM';
const MERGE = '(id INT NOT NULL, n INT, KEY (id)) ENGINE=MERGE';
const MERGES = `
  CREATE DATABASE shop; CREATE DATABASE other;
  CREATE TABLE shop.m1 ${CHILD}; CREATE TABLE shop.\`m),2\` ${CHILD}; CREATE TABLE shop.m3 ${CHILD};
  CREATE TABLE other.m4 ${CHILD}; CREATE TABLE shop.plain (id INT PRIMARY KEY);
  CREATE TABLE shop.mm ${MERGE} UNION=(shop.m1, shop.\`m),2\`) INSERT_METHOD=LAST;
  CREATE TABLE other.\`UNION=(\` ${MERGE} UNION=(other.m4, shop.m3) COMMENT='UNION=(\`shop\`.\`plain\`) it''s \\\\';
  CREATE TABLE shop.no_children ${MERGE} COMMENT='UNION=(\`shop\`.\`plain\`)';`;

const ABOUT_MERGES = /MERGE/;

describeEachSql('a source with MERGE tables', { schema: MERGES }, (stage) => {
  const through = (merge: string, children: string, watched: string) =>
    expect.stringContaining(
      `${merge} is a MERGE table of ${children}: what is changed through it is in the binlog under its own name, and ` +
        `the keys of ${watched} stay. Change the rows by the names of these tables`,
    );

  it('warns of those whose children are watched', async () => {
    const tables = [all('shop', 'm1'), all('shop', 'plain')];
    expect(await warnings(stage, ABOUT_MERGES, tables)).toEqual([
      through('shop.mm', 'shop.m1, shop.m),2', 'shop.m1'),
    ]);
    // The warning is true.
    const app = await stage.app({ tables });
    await stage.cache('shop:m1:1');
    await stage.sql.query('INSERT INTO shop.m1 VALUES (1, 1)');
    await app.cacheflow.caughtUp();
    expect(await stage.redis.get('shop:m1:1')).toBeNull();
    await stage.cache('shop:m1:1');
    await stage.sql.query('UPDATE shop.mm SET n = 2 WHERE id = 1');
    await app.cacheflow.caughtUp();
    expect(await stage.redis.get('shop:m1:1')).toBe('cached');
  });

  it('warns of one in another database, and by a pattern', async () => {
    const other = through('other.UNION=(', 'other.m4, shop.m3', 'shop.m3');
    expect(await warnings(stage, ABOUT_MERGES, [all('shop', 'm3')])).toEqual([other]);
    expect(await warnings(stage, ABOUT_MERGES, [all('shop', 'm*3')])).toEqual([other]);
    expect(await warnings(stage, ABOUT_MERGES, [all('shop', 'plain'), all('other', 'x*')])).toEqual([]);
    // What may not be seen cannot be told.
    const mysql = await account(stage.sql, 'reader', ...GRANTS);
    expect(await warnings(stage, ABOUT_MERGES, [all('shop', 'm3')], mysql)).toEqual([]);
  });

  it('is refused for one that is named itself, with its children', async () => {
    const fault = (name: string, more: string, fix: string) =>
      `tables[0] (${name}): it is a MERGE table, and what is changed through its children is in the binlog under their ` +
      `names only${more} | ${fix}, and change the rows by these names`;
    expect(await faults(stage, [all('shop', 'mm')])).toEqual([
      fault(
        'shop.mm',
        ': shop.m1, shop.m),2',
        "Watch its children: { db: 'shop', table: 'm1' }, { db: 'shop', table: 'm),2' }",
      ),
    ]);
    expect(await faults(stage, [all('shop', 'no_children')])).toEqual([
      fault('shop.no_children', '', 'Watch the tables of its UNION'),
    ]);
  });

  it('is taken with a warning where a pattern matches one', async () => {
    const told = await warnings(stage, ABOUT_MERGES, [all('shop', 'mm*')]);
    expect(told).toEqual([
      expect.stringContaining(
        'tables[0] (shop.mm): it is a MERGE table, and what is changed through its children is in the binlog under ' +
          'their names only: shop.m1, shop.m),2. Its keys stay then',
      ),
    ]);
    expect(await warnings(stage, ABOUT_MERGES, [all('shop')])).toEqual(
      expect.arrayContaining([...told, through('shop.mm', 'shop.m1, shop.m),2', 'shop.m1, shop.m),2')]),
    );
  });

  it('is taken with a warning where the children cannot be told, and refused where it is named', async () => {
    await stage.sql.query(`CREATE TABLE shop.broken ${MERGE} UNION=(shop.m1, shop.nowhere)`);
    onTestFinished(async () => {
      await stage.sql.query('DROP TABLE shop.broken');
    });
    const broken = expect.stringMatching(
      /shop\.broken is a MERGE table whose children cannot be told \(Unable to open/,
    );
    expect(await warnings(stage, /broken/, [all('shop', 'm3')])).toEqual([broken]);
    expect(await faults(stage, [all('shop', 'broken'), all('shop', 'm3')])).toEqual([
      expect.stringMatching(/^tables\[0\] \(shop\.broken\): it is a MERGE table/),
    ]);
  });
});

describeEachSql(
  'a source with tables that are kept elsewhere',
  {
    schema: 'CREATE DATABASE shop; CREATE DATABASE far; CREATE TABLE far.t (id INT PRIMARY KEY, n INT)',
    sql: (kind) => ({
      args:
        kind === 'mysql' ? ['--federated'] : ['--plugin-load-add=ha_federatedx', '--plugin-maturity=alpha'],
    }),
  },
  (stage) => {
    it('warns of those that are watched, by name or pattern', async () => {
      const url = `mysql://root@127.0.0.1:${stage.sql.port}/far/t`;
      const columns = '(id INT PRIMARY KEY, n INT) ENGINE=FEDERATED';
      await stage.sql.query(`CREATE TABLE shop.away ${columns} CONNECTION='${url}'`);
      await stage.sql.query('CREATE TABLE shop.here (id INT PRIMARY KEY)');
      const told = [
        expect.stringContaining(
          'The rows of shop.away (FEDERATED) are not kept by this server alone: what changes them elsewhere is not in its binlog',
        ),
      ];
      const about = /kept by this server/;
      expect(await warnings(stage, about, [all('shop', 'away')])).toEqual(told);
      expect(await warnings(stage, about, [all('shop')])).toEqual(told);
      expect(await warnings(stage, about, [all('shop', 'here'), all('far')])).toEqual([]);
    });
  },
);

describeEachSql(
  'a source with a damaged table',
  { schema: 'CREATE DATABASE shop; CREATE TABLE shop.users (id INT PRIMARY KEY)' },
  (stage) => {
    it('is taken with a warning, and the others are followed', async () => {
      await stage.sql.query('CREATE TABLE shop.lost (id INT PRIMARY KEY) ENGINE=MyISAM');
      await rm(join(stage.sql.dataDir, 'shop/lost.MYI'));
      await stage.sql.query('FLUSH TABLES');
      const app = await stage.app({ tables: [all('shop', 'lost'), all('shop', 'users')] });
      expect(app.log).toContainEqual(
        expect.stringMatching(/tables\[0\] \(shop\.lost\) cannot be read \(Can't find file/),
      );
      await stage.cache('shop:users:1');
      await stage.sql.query('INSERT INTO shop.users VALUES (1)');
      await app.cacheflow.caughtUp();
      expect(await stage.redis.get('shop:users:1')).toBeNull();
    });
  },
);
