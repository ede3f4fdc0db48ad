import { createConnection } from 'mysql2/promise';
import type { RowDataPacket } from 'mysql2';
import { expect, it, onTestFinished } from 'vitest';
import type { ChangeEvent, TableStrategy } from '../../lib';
import { describeEachSql } from '../support/each-sql';
import { refusedBoot } from '../support/refused-boot';
import { waitFor } from '../support/wait-for';

// The same as under a stall, as it happens by chance: who is told of a change reads it back at once. On a disk, where
// a commit takes its time.

const SCHEMA = 'CREATE DATABASE shop; CREATE TABLE shop.users (id INT PRIMARY KEY, n INT)';
const tables = [{ db: 'shop', table: 'users' }];
const CHANGES = 1_500;

describeEachSql('a change that was applied', { schema: SCHEMA, sql: () => ({ onDisk: true }) }, (stage) => {
  it('can be read', async () => {
    await stage.sql.query('INSERT INTO shop.users VALUES (1, 0)');
    const options = stage.sql.connectionOptions();
    const [reader, writer] = await Promise.all([createConnection(options), createConnection(options)]);
    onTestFinished(() => [reader, writer].forEach((connection) => connection.destroy()));
    const old: unknown[] = [];
    let read = 0;
    /** Called when the keys of the row are to be removed. */
    const readBack = async ({ after }: ChangeEvent): Promise<void> => {
      const [[row]] = await reader.query<RowDataPacket[]>('SELECT n FROM shop.users WHERE id = 1');
      read++;
      if (Number(row?.['n']) < Number(after?.['n'])) old.push(after?.['n']);
    };
    class ReadBack implements TableStrategy {
      readonly onInsert = readBack;
      readonly onUpdate = readBack;
      readonly onDelete = readBack;
    }
    const strategy = [{ db: 'shop', table: 'users', strategy: ReadBack }];
    const app = await stage.app({ tables: strategy }, { providers: [ReadBack] });
    // One at a time, so that each is read back as early as can be.
    for (let i = 0; i < CHANGES; i++) await writer.query('UPDATE shop.users SET n = n + 1 WHERE id = 1');
    await app.cacheflow.caughtUp();
    expect(read).toBe(CHANGES);
    expect(old).toEqual([]);
    expect(app.errors).toEqual([]);
  });

  it('refuses a server that makes transactions readable in another order than the binlog', async () => {
    if (stage.kind === 'mariadb') return;
    await stage.sql.query('SET GLOBAL binlog_order_commits = OFF');
    try {
      const { faults } = await refusedBoot(stage.options({ tables }));
      expect(faults).toEqual([
        {
          subject: 'binlog_order_commits',
          problem: 'transactions become readable in another order than that of the binlog',
          fix: 'SET GLOBAL binlog_order_commits = ON',
        },
      ]);
    } finally {
      await stage.sql.query('SET GLOBAL binlog_order_commits = ON');
    }
  });

  it('waits, loudly, while the server makes transactions readable in another order than the binlog', async () => {
    if (stage.kind === 'mariadb') return;
    const app = await stage.app({ tables });
    onTestFinished(() => stage.sql.query('SET GLOBAL binlog_order_commits = ON').then(() => undefined));
    await stage.sql.query('SET GLOBAL binlog_order_commits = OFF');
    await stage.cache('shop:users:1');
    await stage.sql.query('UPDATE shop.users SET n = n + 1 WHERE id = 1');
    await waitFor(() => app.errors.length > 0, { message: 'the report' });
    expect(app.errors[0]?.message).toContain('SET GLOBAL binlog_order_commits = ON');
    expect(await stage.redis.get('shop:users:1')).toBe('cached');
    await stage.sql.query('SET GLOBAL binlog_order_commits = ON');
    await app.cacheflow.caughtUp();
    expect(await stage.redis.get('shop:users:1')).toBeNull();
  });
});
