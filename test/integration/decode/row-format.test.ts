import { describe, expect, it } from 'vitest';
import { describeEachSql } from '../../support/each-sql';

const SCHEMA = `
  CREATE DATABASE f;
  CREATE TABLE f.pairs (a INT, b VARCHAR(20), kind ENUM('x','y'), size INT UNSIGNED, body TEXT, PRIMARY KEY (a, b));`;

describe.each([
  ['MINIMAL', 'FULL'],
  ['NO_LOG', 'FULL'],
  ['FULL', 'MINIMAL'],
  ['MINIMAL', 'MINIMAL'],
  ['FULL', 'NOBLOB'],
])('binlog_row_metadata=%s, binlog_row_image=%s:', (metadata, image) => {
  const options = {
    schema: SCHEMA,
    sql: (kind: string) => ({
      // MySQL has no NO_LOG: its MINIMAL is the least.
      args: [
        `--binlog-row-metadata=${kind === 'mysql' && metadata === 'NO_LOG' ? 'MINIMAL' : metadata}`,
        `--binlog-row-image=${image}`,
      ],
    }),
  };
  describeEachSql('cache-aside by primary key', options, (stage) => {
    it('removes the keys of changed rows and tells what it knows of them', async () => {
      const app = await stage.app({ tables: [{ db: 'f', table: 'pairs' }] });
      const keys = ['f:pairs:1:one', 'f:pairs:2:two', 'f:pairs:2:zwei', 'f:pairs:3:three', 'f:pairs:4:four'];
      await stage.sql.query(
        "INSERT INTO f.pairs VALUES (1,'one','x',4000000000,'t'), (2,'two','y',2,'u'), (3,'three','x',3,'v'), (4,'four','x',3,'w')",
      );
      await app.cacheflow.caughtUp();
      await stage.cache(...keys);
      await stage.sql.query("UPDATE f.pairs SET kind = 'y' WHERE a = 1");
      await stage.sql.query("UPDATE f.pairs SET b = 'zwei' WHERE a = 2");
      await stage.sql.query('DELETE FROM f.pairs WHERE a = 3');
      await app.cacheflow.caughtUp();
      expect(await stage.redis.mget(keys)).toEqual([null, null, null, null, 'cached']);
      expect(app.errors).toEqual([]);
      const [first, , , , update, moved, deleted] = app.events;
      expect(first?.after).toEqual({ a: 1, b: 'one', kind: 'x', size: 4_000_000_000, body: 't' });
      expect(update).toMatchObject({ before: { a: 1, b: 'one' }, after: { a: 1, b: 'one', kind: 'y' } });
      expect(moved).toMatchObject({ before: { a: 2, b: 'two' }, after: { a: 2, b: 'zwei' } });
      expect(deleted).toMatchObject({ before: { a: 3, b: 'three' }, after: null });
      if (image === 'MINIMAL') expect(update?.before).toEqual({ a: 1, b: 'one' });
    });
  });
});
