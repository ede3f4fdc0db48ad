import { createConnection } from 'mysql2/promise';
import type { RowDataPacket } from 'mysql2';
import { expect, it, onTestFinished } from 'vitest';
import { describeEachSql } from '../support/each-sql';
import { refusedBoot } from '../support/refused-boot';

// The same as under a stall, as it happens by chance: who is told of a change reads it back at once.

const SCHEMA = 'CREATE DATABASE shop; CREATE TABLE shop.users (id INT PRIMARY KEY, n INT)';
const tables = [{ db: 'shop', table: 'users' }];
const WRITERS = 4;
const CHANGES = 250;

describeEachSql('a change that was applied', { schema: SCHEMA }, (stage) => {
  it('can be read', async () => {
    const ids = Array.from({ length: WRITERS }, (_, id) => id);
    await stage.sql.query('INSERT INTO shop.users VALUES ?', [ids.map((id) => [id, 0])]);
    const app = await stage.app({ tables });
    const options = stage.sql.connectionOptions();
    const reader = await createConnection(options);
    const writers = await Promise.all(ids.map(() => createConnection(options)));
    onTestFinished(() => [reader, ...writers].forEach((connection) => connection.destroy()));
    const reads: Promise<boolean>[] = [];
    app.cacheflow.events$.subscribe(({ after }) => {
      const read = reader.query<RowDataPacket[]>('SELECT n FROM shop.users WHERE id = ?', [after?.['id']]);
      reads.push(read.then(([[row]]) => Number(row?.['n']) < Number(after?.['n'])));
    });
    await Promise.all(
      writers.map(async (writer, id) => {
        for (let i = 0; i < CHANGES; i++)
          await writer.query('UPDATE shop.users SET n = n + 1 WHERE id = ?', [id]);
      }),
    );
    await app.cacheflow.caughtUp();
    const old = await Promise.all(reads);
    expect(old).toHaveLength(WRITERS * CHANGES);
    expect(old.filter(Boolean)).toEqual([]);
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
});
