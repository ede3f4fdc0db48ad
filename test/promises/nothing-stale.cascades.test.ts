import { expect, it } from 'vitest';
import type { TableOptions } from '../../lib';
import type { Stage } from '../support/each-sql';
import { describeEachSql } from '../support/each-sql';

// What foreign keys change along stands in the binlog of MySQL from 9.6, and nowhere on MariaDB.

const SCHEMA = `
  CREATE DATABASE s; CREATE DATABASE o; USE s;
  CREATE TABLE o.countries (id INT PRIMARY KEY, code INT NOT NULL UNIQUE, label VARCHAR(9)) ENGINE = InnoDB;
  CREATE TABLE users (id INT PRIMARY KEY, country INT,
    FOREIGN KEY (country) REFERENCES o.countries (code) ON DELETE CASCADE ON UPDATE CASCADE);
  CREATE TABLE orders (id INT PRIMARY KEY, user INT, FOREIGN KEY (user) REFERENCES users (id) ON DELETE CASCADE);
  CREATE TABLE items (id INT PRIMARY KEY, order_id INT, FOREIGN KEY (order_id) REFERENCES orders (id) ON DELETE CASCADE);
  CREATE TABLE notes (id INT PRIMARY KEY, user INT, FOREIGN KEY (user) REFERENCES users (id) ON DELETE SET NULL);
  CREATE TABLE logs (id INT PRIMARY KEY, user INT);
  CREATE TABLE nodes (id INT PRIMARY KEY, up INT, FOREIGN KEY (up) REFERENCES nodes (id) ON DELETE CASCADE);
  CREATE TABLE labels (id INT PRIMARY KEY, country INT, FOREIGN KEY (country) REFERENCES o.countries (id));`;

const ROWS = `
  DELETE FROM s.items; DELETE FROM s.orders; DELETE FROM s.notes; DELETE FROM s.users; DELETE FROM o.countries;
  INSERT INTO o.countries VALUES (1, 10, 'a'), (2, 20, 'b');
  INSERT INTO s.users VALUES (1, 10), (2, 20); INSERT INTO s.orders VALUES (1, 1), (2, 2);
  INSERT INTO s.items VALUES (1, 1), (2, 2); INSERT INTO s.notes VALUES (1, 1), (2, 2);`;

/** The first row of each table; what happens to these is what the tests are about. */
const ALL = ['users', 'orders', 'items', 'notes', 'logs', 'labels'].map((table) => `s:${table}:1`);

const watch = (...tables: string[]): TableOptions[] => tables.map((table) => ({ db: 's', table }));

/** The keys of first rows that a statement removed, by the names of their tables. */
async function removedBy(stage: Stage, tables: TableOptions[], statement: string): Promise<string[]> {
  await stage.sql.query(ROWS);
  const app = await stage.app({ tables });
  await stage.cache(...ALL);
  await stage.sql.query(statement);
  await app.cacheflow.caughtUp();
  const values = await stage.redis.mget(ALL);
  expect(app.errors).toEqual([]);
  for (const { schema, table } of app.events) {
    expect(tables.some((rule) => rule.db === schema && (rule.table === table || rule.table === '*'))).toBe(
      true,
    );
  }
  expect(app.cacheflow.status().counters.changes).toBe(app.events.length);
  await app.close();
  await stage.redis.flushall();
  return ALL.filter((_, at) => values[at] === null).map((key) => key.split(':')[1] ?? '');
}

describeEachSql('what foreign keys change along', { schema: SCHEMA }, (stage) => {
  it('loses its keys, over a chain of tables, whether these are watched or not', async () => {
    expect(await removedBy(stage, [{ db: 's', table: '*' }], 'DELETE FROM s.users WHERE id = 1')).toEqual([
      'users',
      'orders',
      'items',
      'notes',
    ]);
    expect(await removedBy(stage, watch('items'), 'DELETE FROM s.users WHERE id = 1')).toEqual(['items']);
    expect(await removedBy(stage, watch('items', 'logs'), 'DELETE FROM o.countries WHERE id = 1')).toEqual([
      'items',
    ]);
  });

  it('loses them by ON DELETE SET NULL', async () => {
    expect(await removedBy(stage, watch('notes', 'logs'), 'DELETE FROM s.users WHERE id = 1')).toEqual([
      'notes',
    ]);
  });

  it('loses them by ON UPDATE CASCADE, and by no other update of the parent', async () => {
    const tables = watch('users', 'orders', 'notes');
    expect(await removedBy(stage, tables, 'UPDATE o.countries SET code = 11 WHERE id = 1')).toEqual([
      'users',
    ]);
    expect(await removedBy(stage, tables, "UPDATE o.countries SET label = 'c' WHERE id = 1")).toEqual([]);
    expect(await removedBy(stage, tables, "INSERT INTO o.countries VALUES (3, 30, 'c')")).toEqual([]);
  });

  it('loses them by REPLACE of the parent', async () => {
    const replace = 'REPLACE INTO s.users VALUES (1, 20)';
    // MySQL 9.7 leaves the children of a replaced parent where they are.
    await stage.sql.query(`${ROWS} ${replace}`);
    const stays = await stage.sql.query('SELECT 1 FROM s.orders WHERE id = 1');
    const expected = stays.length > 0 ? [] : ['orders', 'items'];
    expect(await removedBy(stage, watch('orders', 'items'), replace)).toEqual(expected);
  });

  it('keeps them where the foreign key restricts', async () => {
    const statement = 'DELETE FROM o.countries WHERE id = 1';
    expect(await removedBy(stage, watch('labels', 'logs'), statement)).toEqual([]);
  });

  it('loses them also in the table of the parent itself', async () => {
    await stage.sql.query(
      'INSERT INTO s.nodes VALUES (1, NULL); INSERT INTO s.nodes VALUES (2, 1); INSERT INTO s.nodes VALUES (3, 2)',
    );
    const app = await stage.app({ tables: [{ db: 's', table: 'nodes', strategy: 'write-through' }] });
    await stage.cache('s:nodes:1', 's:nodes:2', 's:nodes:3');
    await stage.sql.query('DELETE FROM s.nodes WHERE id = 1');
    await app.cacheflow.caughtUp();
    expect(await stage.redis.mget('s:nodes:1', 's:nodes:2', 's:nodes:3')).toEqual([null, null, null]);
  });

  it('loses them by a foreign key that comes, or moves to another parent, while the tail runs', async () => {
    await stage.sql.query(
      `CREATE TABLE s.parents (id INT PRIMARY KEY); CREATE TABLE s.late (id INT PRIMARY KEY, parent INT);
       INSERT INTO s.parents VALUES (1), (2), (3); INSERT INTO s.late VALUES (1, 1), (2, 2), (3, 3)`,
    );
    const app = await stage.app({ tables: watch('late', 'logs') });
    await stage.sql.query('DELETE FROM s.parents WHERE id = 3');
    await stage.sql.query('DELETE FROM s.late WHERE id = 3');
    await stage.sql.query(
      'ALTER TABLE s.late ADD CONSTRAINT p FOREIGN KEY (parent) REFERENCES s.parents (id) ON DELETE CASCADE',
    );
    await app.cacheflow.caughtUp();
    await stage.cache('s:late:1', 's:late:2', 's:logs:1');
    await stage.sql.query('DELETE FROM s.parents WHERE id = 1');
    await app.cacheflow.caughtUp();
    expect(await stage.redis.mget('s:late:1', 's:logs:1')).toEqual([null, 'cached']);
    await stage.sql.query('RENAME TABLE s.parents TO s.elders');
    await app.cacheflow.caughtUp();
    await stage.cache('s:late:2');
    await stage.sql.query('DELETE FROM s.elders WHERE id = 2');
    await app.cacheflow.caughtUp();
    expect(await stage.redis.mget('s:late:2', 's:logs:1')).toEqual([null, 'cached']);
    expect(app.events.map(({ table }) => table).filter((table) => table !== 'late')).toEqual([]);
    await app.close();
    await stage.sql.query('DROP TABLE s.late, s.elders');
  });

  const logs = stage.kind === 'mysql';

  it('is only told of with cascades: warn', async () => {
    await stage.sql.query(ROWS);
    const app = await stage.app({ tables: watch('orders'), cascades: 'warn' });
    await stage.cache('s:orders:1');
    await stage.sql.query('DELETE FROM s.users WHERE id = 1');
    await app.cacheflow.caughtUp();
    expect(await stage.redis.get('s:orders:1')).toBe(logs ? null : 'cached');
    const told = app.log.filter((line) => line.includes('orders_ibfk_1 (to s.users, on delete cascade'));
    expect(told.length).toBe(logs ? 0 : 1);
    expect(told.join()).toMatch(logs ? '' : /Set cascades: 'flush'/);
  });

  it('is named at the start', async () => {
    const app = await stage.app({ tables: watch('orders') });
    const told = app.log.filter((line) => /removes all keys of the tables behind them/.test(line));
    expect(told.length).toBe(logs ? 0 : 1);
    if (!logs) {
      expect(told[0]).toContain('s.orders.orders_ibfk_1 (to s.users, on delete cascade, on update');
      expect(told[0]).toContain('s.users.users_ibfk_1 (to o.countries');
      expect(told[0]).not.toContain('notes');
    }
  });

  it('needs SELECT on the parents, and says so', async () => {
    await stage.sql.query(ROWS);
    await stage.sql.query(
      `DROP USER IF EXISTS lim; CREATE USER lim IDENTIFIED BY 'x'; GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO lim;
       GRANT SELECT ON s.orders TO lim`,
    );
    const mysql = { ...stage.sql.connectionOptions(), user: 'lim', password: 'x' };
    const app = await stage.app({ tables: watch('orders'), mysql });
    const told = app.log.filter((line) => line.includes('GRANT SELECT ON `s`.`users` TO'));
    expect(told.length).toBe(logs ? 0 : 1);
    await stage.cache('s:orders:1');
    await stage.sql.query('DELETE FROM s.users WHERE id = 1');
    await app.cacheflow.caughtUp();
    expect(await stage.redis.get('s:orders:1')).toBeNull();
  });
});

describeEachSql(
  'with the least in the binlog, what foreign keys change along',
  {
    schema: SCHEMA,
    sql: (kind) => ({
      args: [
        '--binlog-row-metadata=MINIMAL',
        '--binlog-row-image=MINIMAL',
        // InnoDB's own cascades, as before 9.6.
        ...(kind === 'mysql' ? ['--innodb-native-foreign-keys=ON'] : []),
      ],
    }),
  },
  (stage) => {
    it('loses its keys', async () => {
      const tables = watch('users', 'items');
      const code = 'UPDATE o.countries SET code = 11 WHERE id = 1';
      expect(await removedBy(stage, tables, code)).toEqual(['users']);
      const label = "UPDATE o.countries SET label = 'c' WHERE id = 1";
      expect(await removedBy(stage, tables, label)).toEqual([]);
      expect(await removedBy(stage, watch('items'), 'DELETE FROM s.users WHERE id = 1')).toEqual(['items']);
      const app = await stage.app({ tables });
      expect(app.log.join('\n')).toContain('The source does not log what foreign keys change');
    });
  },
);
