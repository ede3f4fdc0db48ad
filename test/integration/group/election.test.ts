import { afterEach, expect, it } from 'vitest';
import type { CacheflowOptions } from '../../../lib';
import { describeEachSql } from '../../support/each-sql';
import type { Stage } from '../../support/each-sql';
import { GroupOfProcesses } from '../../support/spawn-group';
import { waitFor } from '../../support/wait-for';

const SCHEMA = 'CREATE DATABASE shop; CREATE TABLE shop.users (id INT PRIMARY KEY, name VARCHAR(32))';
const TAKEOVER_SECONDS = 2;

describeEachSql('a group of processes', { schema: SCHEMA }, (stage) => {
  const group = new GroupOfProcesses();
  afterEach(async () => {
    group.end();
    await stage.sql.query('DELETE FROM shop.users');
  });

  it.each(['source', 'redis'] as const)(
    'has one tail, and calls each handler once, elected by %s',
    async (election) => {
      const options = optionsOf(stage, { election });
      for (let i = 0; i < 3; i++) await group.add(options);
      const leader = await group.leader();
      await leader.caughtUp();
      await stage.cache('shop:users:1');
      await stage.sql.query("INSERT INTO shop.users VALUES (1, 'a')");
      await Promise.all(group.all.map((each) => each.caughtUp()));
      expect(await stage.redis.get('shop:users:1')).toBeNull();
      await waitFor(() => group.calls.length > 0);

      expect(await dumpThreads(stage)).toBe(1);
      await waitFor(async () => (await leader.status()).group.members.length === 3);
      const statuses = await Promise.all(group.all.map((each) => each.status()));
      const roles = statuses.map((status) => status.group.role).sort();
      expect(roles).toEqual(['leader', 'standby', 'standby']);
      const selves = statuses.map((status) => status.group.self).sort();
      for (const { group: seen } of statuses) expect(seen.leader).toBe((await leader.status()).group.self);
      await waitFor(async () =>
        (await Promise.all(group.all.map((each) => each.status()))).every(
          ({ group: { members } }) => members.map(({ id }) => id).join() === selves.join(),
        ),
      );
      const standby = group.all.find((each) => each !== leader);
      await waitFor(async () => (await standby?.status())?.position !== undefined);
      const { state, group: seen, position } = (await standby?.status()) ?? {};
      expect(state).toBe('standby');
      expect(seen?.report).toMatchObject({ state: 'streaming' });
      expect(seen?.report?.ageMillis).toBeLessThan(5_000);
      expect(position).toEqual(seen?.report?.position);
      expect(group.calls.map(({ value }) => value)).toEqual(['a']);
      expect(group.all.flatMap(({ errors }) => errors)).toEqual([]);
    },
  );

  it('hands over on purpose, without a repeated call and within a moment', async () => {
    for (let i = 0; i < 2; i++) await group.add(optionsOf(stage));
    const leader = await group.leader();
    const standby = group.all.find((each) => each !== leader);
    await leader.caughtUp();
    for (let id = 1; id <= 20; id++) await stage.sql.query(`INSERT INTO shop.users VALUES (${id}, 'v${id}')`);
    await leader.caughtUp();
    expect(await leader.close()).toBe(0);
    for (let id = 21; id <= 40; id++)
      await stage.sql.query(`INSERT INTO shop.users VALUES (${id}, 'v${id}')`);
    await standby?.caughtUp();
    await waitFor(() => group.calls.length >= 40);
    expect(group.calls.map(({ row }) => row)).toEqual(Array.from({ length: 40 }, (_, index) => index + 1));
    expect(await standby?.role()).toBe('leader');
    const { members } = (await standby?.status())?.group ?? {};
    await waitFor(async () => (await standby?.status())?.group.members.length === 1, {
      message: `one member instead of ${members?.length}`,
    });
  });

  it('lets the handlers in hand finish and saves before it hands over', async () => {
    const env = { HANDLER_MILLIS: '600' };
    for (let i = 0; i < 2; i++) await group.add(optionsOf(stage), env);
    const leader = await group.leader();
    const standby = group.all.find((each) => each !== leader);
    await leader.caughtUp();
    await stage.sql.query("INSERT INTO shop.users VALUES (1, 'a')");
    await waitFor(() => leader.calls.length === 1);
    const closed = leader.close();
    await stage.sql.query("INSERT INTO shop.users VALUES (2, 'b')");
    expect(await closed).toBe(0);
    await waitFor(() => standby?.calls.some(({ row }) => row === 2), { message: 'the next change' });
    expect(standby?.calls.map(({ row }) => row)).toEqual([2]);
  });

  it('closes as soon as its handlers are done, also when another process pauses the group meanwhile', async () => {
    const env = { HANDLER_MILLIS: '500' };
    const handlers = { queueSize: 1, concurrency: 1 };
    const options = optionsOf(stage, { handlers, shutdownTimeoutMillis: 20_000 });
    const leader = await group.add(options, env);
    await group.leader();
    const standby = await group.add(options, env);
    await waitFor(async () => (await standby.status()).group.leader !== undefined);
    for (let id = 1; id <= 8; id++) await stage.sql.query(`INSERT INTO shop.users VALUES (${id}, 'x')`);
    await waitFor(async () => (await leader.status()).queuedRows >= 4, { message: 'rows that have to wait' });
    const since = Date.now();
    const closed = leader.close();
    await waitFor(async () => (await leader.status()).state === 'stopped', { message: 'the tail to end' });
    await standby.ask('pause');
    expect(await closed).toBe(0);
    expect(Date.now() - since).toBeLessThan(10_000);
    await standby.ask('resume');
    await waitFor(() => group.calls.some(({ row }) => row === 8), { message: 'the last change' });
  });

  it('is led by another process at once when the leader is killed', async () => {
    for (let i = 0; i < 3; i++) await group.add(optionsOf(stage));
    const leader = await group.leader();
    const others = group.all.filter((each) => each !== leader);
    await leader.caughtUp();
    await stage.sql.query("INSERT INTO shop.users VALUES (1, 'a')");
    await waitFor(() => group.calls.length === 1);
    await leader.kill();
    const killedAt = Date.now();
    await stage.sql.query("INSERT INTO shop.users VALUES (2, 'b')");
    await waitFor(() => others.some(({ calls }) => calls.some(({ row }) => row === 2)));
    expect(Date.now() - killedAt).toBeLessThan(TAKEOVER_SECONDS * 1_000);
    // MariaDB notices the end of a connection a moment later.
    await waitFor(async () => (await dumpThreads(stage)) === 1);
  });

  it('goes on without a leader that is frozen, who does no harm when it wakes up', async () => {
    for (let i = 0; i < 2; i++) await group.add(optionsOf(stage));
    const leader = await group.leader();
    const successor = group.all.find((each) => each !== leader);
    if (!successor) throw new Error('There is no other process');
    await leader.caughtUp();
    await stage.sql.query("INSERT INTO shop.users VALUES (1, 'a')");
    await leader.caughtUp();
    leader.freeze();
    try {
      await stage.sql.query("UPDATE shop.users SET name = 'b' WHERE id = 1");
      await waitFor(() => successor.calls.some(({ value }) => value === 'b'), {
        timeoutMillis: TAKEOVER_SECONDS * 1_000 + 5_000,
      });
      await successor.caughtUp();
    } finally {
      leader.thaw();
    }
    const { checkpoint } = await successor.status();
    await waitFor(async () => (await leader.role()) === 'standby');
    await stage.sql.query("UPDATE shop.users SET name = 'c' WHERE id = 1");
    await leader.caughtUp();
    await waitFor(() => successor.calls.some(({ value }) => value === 'c'));
    expect(leader.calls.map(({ value }) => value)).toEqual(['a']);
    const stored = JSON.parse((await stage.redis.get('cacheflow:default:checkpoint')) ?? '') as {
      offset: number;
      term: number;
    };
    expect(stored.offset).toBeGreaterThanOrEqual(checkpoint?.offset ?? Infinity);
    expect(stored.term).toBe((await successor.status()).group.term);
    expect(leader.errors.map(({ code }) => code)).toEqual(['CACHEFLOW_LEADERSHIP_LOST']);
  });
});

function optionsOf(stage: Stage, more: Partial<CacheflowOptions> = {}): CacheflowOptions {
  return stage.options({
    tables: [{ db: 'shop', table: 'users' }],
    takeoverSeconds: TAKEOVER_SECONDS,
    ...more,
  });
}

async function dumpThreads(stage: Stage): Promise<number> {
  const rows = await stage.sql.query<{ Command: string }>('SHOW PROCESSLIST');
  return rows.filter(({ Command }) => Command.startsWith('Binlog Dump')).length;
}
