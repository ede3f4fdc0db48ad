import { afterEach, expect, it, onTestFinished } from 'vitest';
import type { CacheflowOptions } from '../../../lib';
import { codesOf } from '../../support/app';
import { describeEachSql } from '../../support/each-sql';
import type { SqlServer } from '../../support/servers';
import { startMariadb, startMysql } from '../../support/servers';
import { GroupOfProcesses } from '../../support/spawn-group';
import { SwitchingProxy } from '../../support/switching-proxy';
import { waitFor } from '../../support/wait-for';

const SCHEMA = `CREATE DATABASE shop; CREATE TABLE shop.users (id INT PRIMARY KEY, name VARCHAR(32));
  CREATE TABLE shop.orders (id INT PRIMARY KEY, total INT);
  CREATE TABLE shop.moving (id INT PRIMARY KEY, code INT NOT NULL)`;
const users = { db: 'shop', table: 'users' };
const orders = { db: 'shop', table: 'orders' };
const GTIDS = ['--gtid-mode=ON', '--enforce-gtid-consistency=ON'];
const wait = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis));

function argsOf(kind: 'mysql' | 'mariadb', serverId: number): string[] {
  return [`--server-id=${serverId}`, ...(kind === 'mysql' ? GTIDS : [])];
}
async function startOther(kind: 'mysql' | 'mariadb'): Promise<SqlServer> {
  const other = await (kind === 'mysql' ? startMysql : startMariadb)({ args: argsOf(kind, 2) });
  onTestFinished(() => other.dispose());
  return other;
}

describeEachSql('adversary', { schema: SCHEMA, sql: (kind) => ({ args: argsOf(kind, 1) }) }, (stage) => {
  const group = new GroupOfProcesses();
  afterEach(async () => {
    group.end();
    await stage.sql.query('DELETE FROM shop.users; DELETE FROM shop.orders');
  });

  it('F2: a table added by a deployment, after Redis had been emptied under the old leader, keeps no old key', async () => {
    const old = await stage.app({ tables: [users] });
    await stage.sql.query("REPLACE INTO shop.users VALUES (1, 'a')");
    await old.cacheflow.caughtUp();
    await stage.redis.flushall();
    await waitFor(() => codesOf(old).includes('CACHEFLOW_REDIS_REWOUND'), { timeoutMillis: 20_000 });
    await stage.sql.query("REPLACE INTO shop.users VALUES (1, 'b')");
    await old.cacheflow.caughtUp();
    await waitFor(async () => (await stage.redis.get('cacheflow:default:checkpoint')) !== null);
    await wait(1_500);
    console.log(await stage.redis.hgetall('cf:{cacheflow:default:checkpoint}:group'), codesOf(old));
    // The deployment, later.
    const next = await stage.boot({ tables: [users, orders] });
    await waitFor(() => next.cacheflow.status().state === 'standby');
    await stage.sql.query('REPLACE INTO shop.orders VALUES (1, 1)');
    const key = next.cacheflow.keyOf('shop.orders', { id: 1 });
    const load = async (): Promise<unknown> => (await stage.sql.query('SELECT * FROM shop.orders'))[0];
    await next.cacheflow.getOrLoad(key, load);
    await stage.sql.query('REPLACE INTO shop.orders VALUES (1, 2)');
    await old.cacheflow.caughtUp();
    await old.close();
    await next.cacheflow.caughtUp();
    expect(next.cacheflow.status().group.role).toBe('leader');
    expect(await next.cacheflow.getOrLoad(key, load)).toEqual({ id: 1, total: 2 });
  });

  it('F3: a process that was away when a table was redefined makes no key of the old form', async () => {
    const options = (more: Partial<CacheflowOptions> = {}): CacheflowOptions =>
      stage.options({ tables: [users, { db: 'shop', table: 'moving' }], takeoverSeconds: 60, ...more });
    const first = await group.add(options());
    await waitFor(async () => (await first.role()) === 'leader');
    const proxy = await SwitchingProxy.start(stage.redisServer.port);
    onTestFinished(() => proxy.dispose());
    const second = await group.add(options({ redis: { port: proxy.port } }));
    await waitFor(async () => (await second.status()).group.members.length === 2);
    expect(await second.ask('keyOf', 'shop.moving', { id: 1, code: 7 })).toBe('shop:moving:1');
    onTestFinished(() =>
      stage.sql
        .query('ALTER TABLE shop.moving CHANGE pk id INT, DROP PRIMARY KEY, ADD PRIMARY KEY (id)')
        .then(() => undefined),
    );
    await waitFor(async () => (await first.status()).group.members.length === 2);
    // Its way to Redis is cut for some seconds.
    proxy.close();
    await waitFor(async () => (await first.status()).group.members.length === 1, { timeoutMillis: 20_000 });
    await stage.sql.query(
      'ALTER TABLE shop.moving CHANGE id pk INT, DROP PRIMARY KEY, ADD PRIMARY KEY (code)',
    );
    await first.caughtUp();
    proxy.open();
    await waitFor(async () => (await first.status()).group.members.length === 2, { timeoutMillis: 20_000 });
    await wait(3_000);
    expect(await first.ask('keyOf', 'shop.moving', { pk: 1, code: 7 })).toBe('shop:moving:7');
    expect(await second.ask<string>('keyOf', 'shop.moving', { pk: 1, code: 7 })).toBe('shop:moving:7');
  });

  it('F3b: nor does one that was cut off while it happened, after Redis had been emptied', async () => {
    const options = stage.options({ tables: [users, { db: 'shop', table: 'moving' }], takeoverSeconds: 60 });
    const proxy = await SwitchingProxy.start(stage.redisServer.port);
    onTestFinished(() => proxy.dispose());
    const first = await group.add(options);
    await waitFor(async () => (await first.role()) === 'leader');
    const second = await group.add({ ...options, redis: { port: proxy.port } });
    await waitFor(async () => (await first.status()).group.members.length === 2);
    onTestFinished(() =>
      stage.sql
        .query('ALTER TABLE shop.moving CHANGE pk id INT, DROP PRIMARY KEY, ADD PRIMARY KEY (id)')
        .then(() => undefined),
    );
    for (let i = 0; i < 3; i++) {
      await stage.sql.query('ALTER TABLE shop.moving ADD COLUMN more INT');
      await first.caughtUp();
      await stage.sql.query('ALTER TABLE shop.moving DROP COLUMN more');
      await first.caughtUp();
    }
    await wait(2_000);
    console.log(
      'definitions',
      await stage.redis.hget('cf:{cacheflow:default:checkpoint}:group', 'definitions'),
    );
    await stage.redis.flushall();
    await waitFor(() => first.errors.some(({ code }) => code === 'CACHEFLOW_REDIS_REWOUND'), {
      timeoutMillis: 20_000,
    });
    await first.caughtUp();
    await wait(1_500);
    await waitFor(async () => (await first.status()).group.members.length === 2);
    proxy.close();
    await stage.sql.query(
      'ALTER TABLE shop.moving CHANGE id pk INT, DROP PRIMARY KEY, ADD PRIMARY KEY (code)',
    );
    await first.caughtUp(30_000);
    proxy.open();
    await wait(4_000);
    console.log(
      'definitions',
      await stage.redis.hget('cf:{cacheflow:default:checkpoint}:group', 'definitions'),
    );
    expect(await second.ask<string>('keyOf', 'shop.moving', { pk: 1, code: 7 })).toBe('shop:moving:7');
  });

  it('F5: goes on after a failover although the old leader cannot reach the new source', async () => {
    const other = await startOther(stage.kind);
    await other.query(SCHEMA);
    const [one, two] = [
      await SwitchingProxy.start(stage.sql.port),
      await SwitchingProxy.start(stage.sql.port),
    ];
    onTestFinished(() => one.dispose());
    onTestFinished(() => two.dispose());
    const reconnect = { minMillis: 20, maxMillis: 200 };
    const mysql = (port: number) => ({ ...stage.sql.connectionOptions(), port });
    const a = await stage.app({ tables: [users], reconnect, mysql: mysql(one.port), takeoverSeconds: 3 });
    const b = await stage.boot({ tables: [users], reconnect, mysql: mysql(two.port), takeoverSeconds: 3 });
    await waitFor(() => b.cacheflow.status().state === 'standby');
    // The old source is gone, and the host of the leader does not reach the new one.
    one.close();
    two.close();
    await wait(1_000);
    two.open(other.port);
    await waitFor(() => a.cacheflow.status().group.role === 'standby', { timeoutMillis: 20_000 });
    await waitFor(
      () => b.cacheflow.status().group.role === 'leader' && b.cacheflow.status().state === 'streaming',
      { timeoutMillis: 30_000, message: `a leader (${codesOf(b).join()})` },
    ).catch((error: unknown) => {
      console.log(codesOf(b), b.errors.at(-1)?.message, a.cacheflow.status().state);
      throw error;
    });
  });
});
