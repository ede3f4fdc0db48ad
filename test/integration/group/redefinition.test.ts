import { afterEach, expect, it, onTestFinished } from 'vitest';
import type { CacheflowOptions } from '../../../lib';
import { groupKeys } from '../../../lib/redis/scripts/group';
import type { Stage } from '../../support/each-sql';
import { describeEachSql } from '../../support/each-sql';
import type { GroupProcess } from '../../support/spawn-group';
import { GroupOfProcesses } from '../../support/spawn-group';
import { SwitchingProxy } from '../../support/switching-proxy';
import { waitFor } from '../../support/wait-for';

const SCHEMA = `CREATE DATABASE shop; CREATE TABLE shop.users (id INT PRIMARY KEY);
  CREATE TABLE shop.moving (id INT PRIMARY KEY, code INT NOT NULL)`;
/** The processes of the group have a handler for the users. */
const tables = [
  { db: 'shop', table: 'moving' },
  { db: 'shop', table: 'users' },
];

/** From now on the keys come from another column, whose name the old form does not know. */
async function redefine({ sql }: Stage): Promise<void> {
  onTestFinished(() =>
    sql
      .query('ALTER TABLE shop.moving CHANGE pk id INT, DROP PRIMARY KEY, ADD PRIMARY KEY (id)')
      .then(() => undefined),
  );
  await sql.query('ALTER TABLE shop.moving CHANGE id pk INT, DROP PRIMARY KEY, ADD PRIMARY KEY (code)');
}

describeEachSql('a table of a group that is redefined', { schema: SCHEMA }, (stage) => {
  const group = new GroupOfProcesses();
  afterEach(() => group.end());

  /** A leader, and a standby whose way to Redis can be cut. */
  async function pair(): Promise<{ leader: GroupProcess; standby: GroupProcess; way: SwitchingProxy }> {
    const options: CacheflowOptions = stage.options({ tables, takeoverSeconds: 60 });
    const way = await SwitchingProxy.start(stage.redisServer.port);
    onTestFinished(() => way.dispose());
    const leader = await group.add(options);
    await group.leader();
    const standby = await group.add({ ...options, redis: { port: way.port } });
    await members(leader, 2);
    return { leader, standby, way };
  }

  async function members(seenBy: GroupProcess, count: number): Promise<void> {
    await waitFor(async () => (await seenBy.status()).group.members.length === count, {
      message: `${count} members`,
      timeoutMillis: 20_000,
    });
  }

  async function untilNewForm(process: GroupProcess): Promise<void> {
    const row = { pk: 1, code: 7 };
    await waitFor(async () => (await process.ask('keyOf', 'shop.moving', row)) === 'shop:moving:7', {
      message: 'keys of the new form',
    });
  }

  it('is known to a process that was taken for dead meanwhile', async () => {
    const { leader, standby, way } = await pair();
    expect(await standby.ask('keyOf', 'shop.moving', { id: 1, code: 7 })).toBe('shop:moving:1');
    way.close();
    await members(leader, 1);
    await redefine(stage);
    await leader.caughtUp();
    way.open();
    await members(leader, 2);
    await untilNewForm(leader);
    await untilNewForm(standby);
  });

  it('is known to a process that was cut off meanwhile, while Redis was emptied', async () => {
    const { leader, standby, way } = await pair();
    // As many as there will be once Redis is empty: the removal of all keys is announced as well.
    await stage.sql.query('ALTER TABLE shop.moving ADD COLUMN more INT');
    await leader.caughtUp();
    await stage.sql.query('ALTER TABLE shop.moving DROP COLUMN more');
    await leader.caughtUp();
    const { group: record, members: looks } = groupKeys(stage.redis, 'default');
    const count = await stage.redis.hget(record, 'definitions');
    const { self } = (await standby.status()).group;
    await waitFor(async () => (await stage.redis.hget(looks, self))?.includes(`"definitions":${count}`), {
      message: 'the standby to know of them',
    });
    way.close();
    await stage.redis.flushall();
    await waitFor(() => leader.errors.some(({ code }) => code === 'CACHEFLOW_REDIS_REWOUND'), {
      message: 'the loss to be noticed',
      timeoutMillis: 20_000,
    });
    await leader.caughtUp();
    await redefine(stage);
    await leader.caughtUp(30_000);
    way.open();
    await untilNewForm(standby);
  });

  it('is no reason for a process that starts later to know none of its keys', async () => {
    const leader = await stage.app({ tables });
    const witness = await stage.boot({ tables });
    await waitFor(() => leader.cacheflow.status().group.members.length === 2, { message: 'the witness' });
    await stage.sql.query('ALTER TABLE shop.moving ADD COLUMN more INT');
    onTestFinished(() => stage.sql.query('ALTER TABLE shop.moving DROP COLUMN more').then(() => undefined));
    await leader.cacheflow.caughtUp();
    await witness.close();
    const { cacheflow } = await stage.boot({ tables });
    const problems: unknown[] = [];
    await waitFor(
      () => {
        try {
          cacheflow.keyOf('shop.moving', { id: 1 });
        } catch (error) {
          problems.push(error);
        }
        const { state, group: seen } = cacheflow.status();
        return state === 'standby' && seen.members.length === 2;
      },
      { message: 'the process to stand by' },
    );
    await cacheflow.caughtUp();
    expect(cacheflow.keyOf('shop.moving', { id: 1 })).toBe('shop:moving:1');
    expect(problems).toEqual([]);
  });
});
