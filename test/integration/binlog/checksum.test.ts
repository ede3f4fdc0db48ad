import { expect, it } from 'vitest';
import { describeEachSql } from '../../support/each-sql';

const SCHEMA = 'CREATE DATABASE c; CREATE TABLE c.t (id INT PRIMARY KEY, n INT);';
const TABLES = [{ db: 'c', table: 't' }];

/** A REPLACE that changes nothing is not logged. */
let fresh = 0;

describeEachSql('binlog_checksum', { schema: SCHEMA }, (stage) => {
  it.each(['NONE', 'CRC32'])('may become %s while the tail streams (promise 1)', async (value) => {
    await stage.sql.query(`SET GLOBAL binlog_checksum = ${value === 'NONE' ? 'CRC32' : 'NONE'}`);
    await stage.sql.query('REPLACE INTO c.t VALUES (1, 1), (2, 2)');
    const app = await stage.app({ tables: TABLES });
    await stage.cache('c:t:1', 'c:t:2');
    await stage.sql.query(`SET GLOBAL binlog_checksum = ${value}`);
    await stage.sql.query('DELETE FROM c.t WHERE id IN (1, 2)');
    await stage.sql.query(`REPLACE INTO c.t VALUES (3, ${++fresh})`);
    await app.cacheflow.caughtUp();
    expect(await stage.redis.mget('c:t:1', 'c:t:2')).toEqual([null, null]);
    expect(app.events.map((event) => event.before?.['id'] ?? event.after?.['id'])).toEqual([1, 2, 3]);
    expect(app.errors).toEqual([]);
  });

  it.each(['NONE', 'CRC32'])(
    'may have become %s since the events that are still to be read',
    async (value) => {
      await stage.sql.query(`SET GLOBAL binlog_checksum = ${value === 'NONE' ? 'CRC32' : 'NONE'}`);
      const first = await stage.app({ tables: TABLES });
      await stage.sql.query(`REPLACE INTO c.t VALUES (5, ${++fresh})`);
      await first.cacheflow.caughtUp();
      await first.close();
      await stage.sql.query(`REPLACE INTO c.t VALUES (6, ${++fresh})`);
      await stage.sql.query(`SET GLOBAL binlog_checksum = ${value}`);
      await stage.sql.query(`REPLACE INTO c.t VALUES (7, ${++fresh})`);
      await stage.cache('c:t:6', 'c:t:7');
      const second = await stage.app({ tables: TABLES });
      expect(await stage.redis.mget('c:t:6', 'c:t:7')).toEqual([null, null]);
      expect(second.errors).toEqual([]);
    },
  );
});
