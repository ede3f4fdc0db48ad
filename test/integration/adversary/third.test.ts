import { afterEach, expect, it, onTestFinished } from 'vitest';
import { codesOf } from '../../support/app';
import { describeEachSql } from '../../support/each-sql';
import { startMariadb } from '../../support/servers';
import { GroupOfProcesses } from '../../support/spawn-group';
import { SwitchingProxy } from '../../support/switching-proxy';
import { waitFor } from '../../support/wait-for';

const SCHEMA = `CREATE DATABASE shop; CREATE TABLE shop.users (id INT PRIMARY KEY, name VARCHAR(32));
  CREATE TABLE shop.moving (id INT PRIMARY KEY, code INT NOT NULL)`;
const users = { db: 'shop', table: 'users' };
const wait = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis));

describeEachSql('adversary, third', { schema: SCHEMA }, (stage) => {
  const group = new GroupOfProcesses();
  afterEach(async () => {
    group.end();
    await stage.sql.query('DELETE FROM shop.users');
  });

  it('F10: tells two groups of one name on two MariaDB servers with the same server_id', async ({ skip }) => {
    if (stage.kind !== 'mariadb') skip();
    const other = await startMariadb();
    onTestFinished(() => other.dispose());
    await other.query(SCHEMA);
    const a = await stage.app({ tables: [users] });
    await stage.sql.query("INSERT INTO shop.users VALUES (1, 'x')");
    await a.cacheflow.caughtUp();
    const b = await stage.boot({ tables: [users], mysql: other.connectionOptions() });
    for (let id = 10; id < 30; id++) {
      await stage.sql.query(`INSERT INTO shop.users VALUES (${id}, 'a')`);
      await other.query(`INSERT INTO shop.users VALUES (${id}, 'b')`);
      await wait(300);
    }
    await wait(3_000);
    const idsOf = (app: typeof a): unknown[] => [...new Set(app.events.map(({ after }) => after?.['id']))];
    console.log('a', idsOf(a).join(), a.errors.map(({ code }) => code).join());
    console.log('b', idsOf(b).join(), b.errors.map(({ code }) => code).join());
    expect([...codesOf(a), ...codesOf(b)]).toContain('CACHEFLOW_GROUP_SPLIT');
  });

  it('F11: a process that starts after a table was once redefined knows its keys', async () => {
    const tables = [users, { db: 'shop', table: 'moving' }];
    const a = await stage.app({ tables });
    const b = await stage.boot({ tables });
    await waitFor(() => a.cacheflow.status().group.members.length === 2);
    await stage.sql.query('ALTER TABLE shop.moving ADD COLUMN more INT');
    onTestFinished(() => stage.sql.query('ALTER TABLE shop.moving DROP COLUMN more').then(() => undefined));
    await a.cacheflow.caughtUp();
    await b.close();
    const c = await stage.boot({ tables });
    const problems: string[] = [];
    for (let i = 0; i < 300; i++) {
      try {
        c.cacheflow.keyOf('shop.moving', { id: 1 });
      } catch (error) {
        problems.push((error as Error).message);
      }
      await wait(1);
    }
    console.log(problems.length, problems[0]);
    expect(problems).toEqual([]);
  });

  it('F12: stays paused when Redis is emptied and a new process comes first', async () => {
    const proxy = await SwitchingProxy.start(stage.redisServer.port);
    onTestFinished(() => proxy.dispose());
    const a = await stage.app({ tables: [users], redis: { port: proxy.port } });
    await a.cacheflow.pause();
    await wait(1_500);
    proxy.close();
    await stage.redis.flushall();
    const b = await stage.boot({ tables: [users] });
    await wait(2_000);
    proxy.open();
    await wait(4_000);
    expect([a.cacheflow.status().group.paused, b.cacheflow.status().group.paused]).toEqual([true, true]);
  });

  it('F13: closes soon although another process pauses the group meanwhile', async () => {
    const env = { HANDLER_MILLIS: '2000' };
    const options = stage.options({
      tables: [users],
      shutdownTimeoutMillis: 15_000,
      handlers: { queueSize: 1, concurrency: 1 },
    });
    const a = await group.add(options, env);
    await waitFor(async () => (await a.status()).state === 'streaming' && (await a.role()) === 'leader');
    const b = await group.add(options, env);
    await waitFor(async () => (await a.status()).group.members.length === 2);
    await stage.sql.query("INSERT INTO shop.users VALUES (1, 'x')");
    await waitFor(() => a.calls.length === 1);
    await stage.sql.query("INSERT INTO shop.users VALUES (2, 'x')");
    await stage.sql.query("INSERT INTO shop.users VALUES (3, 'x')");
    await stage.sql.query("INSERT INTO shop.users VALUES (4, 'x')");
    await wait(300);
    const since = Date.now();
    const closed = a.close();
    await wait(200);
    await b.ask('pause');
    await closed;
    console.log('closed after', Date.now() - since, a.calls.length);
    await b.ask('resume');
    await b.caughtUp();
    await waitFor(() => group.calls.some(({ row }) => row === 4) || b.calls.some(({ row }) => row === 4));
    expect(Date.now() - since).toBeLessThan(14_000);
  });
});
