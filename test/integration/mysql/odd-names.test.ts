import { Injectable } from '@nestjs/common';
import { expect, it } from 'vitest';
import type { ChangeEvent } from '../../../lib';
import { OnBinlog } from '../../../lib';
import { describeEachSql } from '../../support/each-sql';
import { waitFor } from '../../support/wait-for';

const SCHEMA = `
  CREATE DATABASE \`a.b\`; CREATE TABLE \`a.b\`.c (id INT PRIMARY KEY, n INT);
  CREATE DATABASE a; CREATE TABLE a.\`b.c\` (id INT PRIMARY KEY, n INT);
  CREATE DATABASE w; CREATE TABLE w.q (id INT PRIMARY KEY, constructor VARCHAR(20), n INT);
  CREATE TABLE w.p (\`__proto__\` INT PRIMARY KEY, n INT);`;

describeEachSql('odd names', { schema: SCHEMA }, (stage) => {
  it('of two tables that look the same with a dot between do not get mixed up', async () => {
    const calls: string[] = [];
    @Injectable()
    class Listener {
      @OnBinlog('a.*')
      onA(event: ChangeEvent): void {
        calls.push(`${event.schema} ${event.table}`);
      }
    }
    const failing = () => {
      throw new Error('no key');
    };
    const tables = [
      { db: 'a.b', table: 'c', key: failing, match: 'first:*' },
      { db: 'a', table: 'b.c', key: failing, match: 'second:*' },
    ];
    const app = await stage.app({ tables }, { providers: [Listener] });
    await stage.cache('first:1', 'second:1');
    await stage.sql.query(
      'START TRANSACTION; INSERT INTO `a.b`.c VALUES (1, 1); INSERT INTO a.`b.c` VALUES (1, 1); COMMIT',
    );
    await app.cacheflow.caughtUp();
    await waitFor(() => calls.length > 0);
    expect(await stage.redis.mget('first:1', 'second:1')).toEqual([null, null]);
    expect(calls).toContain('a b.c');
  });

  it('of columns that every object has are no trap: an absent one is absent', async () => {
    const app = await stage.app({ tables: [{ db: 'w', table: 'q', key: 'q:{constructor}' }] });
    await stage.sql.query("INSERT INTO w.q VALUES (1, 'bob', 1)");
    await app.cacheflow.caughtUp();
    await stage.cache('q:bob');
    await stage.sql.query(
      'SET SESSION binlog_row_image = MINIMAL; UPDATE w.q SET n = 2 WHERE id = 1; SET SESSION binlog_row_image = FULL',
    );
    await app.cacheflow.caughtUp();
    expect(await stage.redis.get('q:bob')).toBeNull();
    expect(app.errors.map((error) => error.code)).toContain('CACHEFLOW_ROW_INCOMPLETE');
  });

  it('a key of a column that mysql2 does not read is refused', async () => {
    await expect(stage.boot({ tables: [{ db: 'w', table: 'p' }] })).rejects.toThrow(
      '`__proto__` cannot be part of a key',
    );
  });
});
