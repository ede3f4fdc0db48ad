import { describe, expect, it } from 'vitest';
import { describeEachSql } from '../support/each-sql';
import { waitFor } from '../support/wait-for';

const SCHEMA =
  'CREATE DATABASE user; CREATE TABLE user.users (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(50));';
const TABLES = [{ db: 'user', table: 'users' }];

describe.each([
  ['by GTID', undefined],
  // MariaDB always has GTIDs; there a checkpoint without them is resumed by file.
  ['by file and position', ['--gtid-mode=OFF', '--enforce-gtid-consistency=OFF']],
])('%s', (_title, mysqlArgs) => {
  const options = {
    schema: SCHEMA,
    sql: (kind: string) => (kind === 'mysql' && mysqlArgs ? { args: mysqlArgs } : {}),
  };
  describeEachSql('resuming', options, (stage) => {
    /** On MariaDB a checkpoint of file and position alone is what an old server would have left. */
    async function dropGtid(): Promise<void> {
      if (!mysqlArgs) return;
      const { gtidSet, ...rest } = JSON.parse(
        (await stage.redis.get('cacheflow:default:checkpoint')) ?? '{}',
      );
      if (stage.sql.kind === 'mysql') expect(gtidSet).toBeUndefined();
      await stage.redis.set('cacheflow:default:checkpoint', JSON.stringify(rest));
    }

    it('begins with what comes after the first start, and goes on where it stopped', async () => {
      await stage.sql.query("INSERT INTO user.users (name) VALUES ('before')");
      const first = await stage.app({ tables: TABLES });
      await stage.sql.query("INSERT INTO user.users (name) VALUES ('one')");
      await first.cacheflow.caughtUp();
      await first.close();
      await dropGtid();
      await stage.sql.query("INSERT INTO user.users (name) VALUES ('two'), ('three')");
      await stage.sql.query('FLUSH BINARY LOGS');
      await stage.sql.query("INSERT INTO user.users (name) VALUES ('four')");
      const second = await stage.app({ tables: TABLES });
      await waitFor(() => second.events.length >= 3, { message: 'the missed changes' });
      expect(first.events.map((event) => event.after?.['name'])).toEqual(['one']);
      expect(second.events.map((event) => event.after?.['name'])).toEqual(['two', 'three', 'four']);
    });

    it('goes on through a rotation and a restart of the server', async () => {
      const app = await stage.app({ tables: TABLES });
      await stage.sql.query("INSERT INTO user.users (name) VALUES ('a')");
      await stage.sql.query('FLUSH BINARY LOGS');
      await stage.sql.query("INSERT INTO user.users (name) VALUES ('b')");
      await app.cacheflow.caughtUp();
      // MySQL's clean shutdown takes 8 s and more while a replica is connected; once is enough.
      if (mysqlArgs) await stage.sql.kill();
      else await stage.sql.stop();
      await stage.sql.start();
      await stage.sql.query("INSERT INTO user.users (name) VALUES ('c')");
      await app.cacheflow.caughtUp({ timeoutMillis: 30_000 });
      await stage.sql.kill();
      await stage.sql.start();
      await stage.sql.query("INSERT INTO user.users (name) VALUES ('d')");
      await app.cacheflow.caughtUp({ timeoutMillis: 30_000 });
      expect(app.events.map((event) => event.after?.['name'])).toEqual(['a', 'b', 'c', 'd']);
      expect(app.cacheflow.status()).toMatchObject({ state: 'streaming', counters: { reconnects: 2 } });
      expect(new Set(app.errors.map((error) => error.code))).toEqual(
        new Set(['CACHEFLOW_SOURCE_UNAVAILABLE']),
      );
    });

    it('begins where it is told to', async () => {
      await stage.sql.query('DELETE FROM user.users; FLUSH BINARY LOGS');
      const [status] = await stage.sql.query<{ File: string; Position: number; Executed_Gtid_Set?: string }>(
        stage.sql.kind === 'mysql' ? 'SHOW BINARY LOG STATUS' : 'SHOW MASTER STATUS',
      );
      const [pos] = await stage.sql.query<{ gtid: string }>(
        stage.sql.kind === 'mysql'
          ? 'SELECT @@GLOBAL.gtid_executed AS gtid'
          : 'SELECT @@GLOBAL.gtid_binlog_pos AS gtid',
      );
      await stage.sql.query("INSERT INTO user.users (name) VALUES ('x'), ('y')");
      const names = async (
        startAt: Parameters<typeof stage.app>[0]['startAt'],
        name: string,
      ): Promise<unknown[]> => {
        const app = await stage.app({ name, tables: TABLES, startAt });
        return app.events.map((event) => event.after?.['name']);
      };
      expect(await names({ file: status?.File ?? '', offset: Number(status?.Position) }, 'by-file')).toEqual([
        'x',
        'y',
      ]);
      if (pos?.gtid) {
        expect(await names({ gtidSet: pos.gtid.replace(/\s/g, '') }, 'by-gtid')).toEqual(['x', 'y']);
      }
      const all = await names('earliest', 'from-earliest');
      expect(all.slice(-2)).toEqual(['x', 'y']);
      expect(all.length).toBeGreaterThan(4);
    });

    /** Leaves the server with nothing but its latest binlog file. */
    async function purge(): Promise<void> {
      await stage.sql.query('FLUSH BINARY LOGS');
      const files = await stage.sql.query<{ Log_name: string }>('SHOW BINARY LOGS');
      await stage.sql.query('PURGE BINARY LOGS TO ?', [files.at(-1)?.Log_name]);
    }

    it('says where to go on when the source has lost the position, instead of going on elsewhere', async () => {
      const app = await stage.app({ tables: TABLES });
      await stage.sql.query("INSERT INTO user.users (name) VALUES ('z')");
      await app.cacheflow.caughtUp();
      await app.close();
      if (stage.sql.kind === 'mysql') await purge();
      await stage.redis.set(
        'cacheflow:default:checkpoint',
        JSON.stringify({
          file: 'binlog.999999',
          offset: 4,
          ...(mysqlArgs ? {} : { gtidSet: lostGtid(stage.sql.kind) }),
        }),
      );
      const again = await stage.boot({ tables: TABLES, onPositionLost: 'fail' });
      await waitFor(() => again.cacheflow.status().state === 'failed', { message: 'the tail to give up' });
      expect(again.errors.map((error) => error.code)).toEqual(['CACHEFLOW_POSITION_LOST']);
      await expect(again.cacheflow.caughtUp()).rejects.toMatchObject({ code: 'CACHEFLOW_STOPPED' });
    });
  });
});

/** MySQL: a set that lacks what was purged. MariaDB: a position that the server has not. */
function lostGtid(kind: 'mysql' | 'mariadb'): string {
  return kind === 'mysql' ? '' : '0-1-999999999';
}
