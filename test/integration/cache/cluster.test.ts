import { Cluster } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { CacheflowService } from '../../../lib';
import { tag } from '../../../lib';
import type { TestApp } from '../../support/app';
import { startApp } from '../../support/app';
import { HeldLoad } from '../../support/held-load';
import type { RedisCluster, SqlServer } from '../../support/servers';
import { startMariadb, startRedisCluster } from '../../support/servers';
import { waitFor } from '../../support/wait-for';

const IDS = Array.from({ length: 60 }, (_, index) => index + 1);
const ORG = tag('org', 1);

describe('reads through a Redis Cluster', () => {
  let sql: SqlServer;
  let cluster: RedisCluster;
  let app: TestApp;
  let client: Cluster;

  beforeAll(async () => {
    [sql, cluster] = await Promise.all([startMariadb(), startRedisCluster()]);
    await sql.query('CREATE DATABASE app; CREATE TABLE app.users (id INT PRIMARY KEY, name VARCHAR(50))');
  });
  afterEach(async () => {
    await app.close();
    client.disconnect();
    for (const node of cluster.nodes) await node.command('FLUSHALL');
  });
  afterAll(async () => Promise.all([cluster?.dispose(), sql?.dispose()]));

  async function begin(keyPrefix: string): Promise<CacheflowService> {
    client = new Cluster(
      cluster.nodes.map(({ host, port }) => ({ host, port })),
      { keyPrefix },
    );
    app = await startApp({
      mysql: sql.connectionOptions(),
      redis: client,
      tables: [{ db: 'app', table: 'users', invalidates: () => [ORG], match: tag('org', '*') }],
    });
    await app.cacheflow.caughtUp();
    return app.cacheflow;
  }

  async function writeAll(name: string): Promise<void> {
    await sql.query(`REPLACE INTO app.users VALUES ${IDS.map((id) => `(${id}, '${name}')`).join(',')}`);
  }

  async function loadMany(_keys: readonly string[], indexes: readonly number[]): Promise<unknown[]> {
    const rows = await sql.query<{ id: number }>('SELECT * FROM app.users');
    return indexes.map((index) => rows.find(({ id }) => id === IDS[index]) ?? null);
  }

  it.each(['', 'own:', 'own{x}:'])('works in every slot (key prefix %j)', async (keyPrefix) => {
    const cacheflow = await begin(keyPrefix);
    const keys = IDS.map((id) => cacheflow.keyOf('app.users', { id }));
    await writeAll('old');
    await cacheflow.caughtUp();
    for (let round = 0; round < 2; round++) {
      const found = await cacheflow.getManyOrLoad<unknown>(keys, loadMany);
      expect(found).toEqual(IDS.map((id) => ({ id, name: 'old' })));
    }
    expect(cacheflow.status().cache).toMatchObject({ hits: 60, misses: 60, fills: 60, refusedFills: 0 });

    await writeAll('new');
    await cacheflow.caughtUp();
    const held = new HeldLoad(async () =>
      loadMany(
        [],
        IDS.map((_, index) => index),
      ),
    );
    const read = cacheflow.getManyOrLoad<unknown>(keys, held.load);
    await held.hasRead;
    await writeAll('newer');
    await cacheflow.caughtUp();
    held.release();
    expect(await read).toEqual(IDS.map((id) => ({ id, name: 'new' })));
    expect(cacheflow.status().cache.refusedFills).toBe(60);
    expect(await cacheflow.getManyOrLoad<unknown>(keys, loadMany)).toEqual(
      IDS.map((id) => ({ id, name: 'newer' })),
    );
  });

  it('forgets what depends on a tag, and leases at a flush', async () => {
    const cacheflow = await begin('');
    await writeAll('old');
    await cacheflow.caughtUp();
    const read = (): Promise<number> => cacheflow.getOrLoad('page', () => ++loads, { dependsOn: [ORG] });
    let loads = 0;
    expect([await read(), await read()]).toEqual([1, 1]);
    await sql.query("UPDATE app.users SET name = 'new' WHERE id = 1");
    await cacheflow.caughtUp();
    expect([await read(), await read()]).toEqual([2, 2]);
    const held = new HeldLoad(async () => 'old');
    const key = cacheflow.keyOf('app.users', { id: 1 });
    const reading = cacheflow.getOrLoad(key, held.load);
    await held.hasRead;
    await sql.query('TRUNCATE TABLE app.users');
    await cacheflow.caughtUp();
    held.release();
    await reading;
    expect(await client.exists(key)).toBe(0);
    expect([await read(), await read()]).toEqual([3, 3]);
  });

  it('answers for a key that cannot have a record, and does not cache it', async () => {
    const cacheflow = await begin('');
    expect([
      await cacheflow.getOrLoad('a}b', () => 1),
      await cacheflow.getOrLoad('a}b', () => 2),
      await cacheflow.getOrLoad('{a}b', () => 3),
      await cacheflow.getOrLoad('{a}b', () => 4),
    ]).toEqual([1, 2, 3, 3]);
    await waitFor(async () => (await client.exists('{a}b')) === 1);
    expect(await client.exists('a}b')).toBe(0);
  });
});
