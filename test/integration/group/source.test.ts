import { Injectable } from '@nestjs/common';
import { afterEach, expect, it, onTestFinished } from 'vitest';
import type { ChangeEvent } from '../../../lib';
import { OnBinlog } from '../../../lib';
import type { TestApp } from '../../support/app';
import { codesOf } from '../../support/app';
import type { Stage } from '../../support/each-sql';
import { describeEachSql } from '../../support/each-sql';
import { lockSession } from '../../support/group-lock';
import { RefusingProxy } from '../../support/refusing-proxy';
import { replicate } from '../../support/replicate';
import type { SqlServer } from '../../support/servers';
import { startMariadb, startMysql } from '../../support/servers';
import { SwitchingProxy } from '../../support/switching-proxy';
import { waitFor } from '../../support/wait-for';

const SCHEMA = 'CREATE DATABASE shop; CREATE TABLE shop.users (id INT PRIMARY KEY, name VARCHAR(32))';
const tables = [{ db: 'shop', table: 'users' }];
const reconnect = { minMillis: 20, maxMillis: 200 };
const GTIDS = ['--gtid-mode=ON', '--enforce-gtid-consistency=ON'];

function argsOf(kind: 'mysql' | 'mariadb', serverId: number): string[] {
  return [`--server-id=${serverId}`, ...(kind === 'mysql' ? GTIDS : [])];
}

async function startOther(kind: 'mysql' | 'mariadb'): Promise<SqlServer> {
  const other = await (kind === 'mysql' ? startMysql : startMariadb)({
    args: [...argsOf(kind, 2), '--log-slave-updates=ON'],
  });
  onTestFinished(() => other.dispose());
  return other;
}

const leaders = (apps: readonly TestApp[]): TestApp[] =>
  apps.filter(({ cacheflow }) => {
    const { group, state } = cacheflow.status();
    return group.role === 'leader' && state === 'streaming';
  });

async function dumpThreads(sql: SqlServer): Promise<number> {
  const rows = await sql.query<{ Command: string }>('SHOW PROCESSLIST');
  return rows.filter(({ Command }) => Command.startsWith('Binlog Dump')).length;
}

describeEachSql('the lock', { schema: SCHEMA, sql: (kind) => ({ args: argsOf(kind, 1) }) }, (stage) => {
  afterEach(async () => stage.sql.query('DELETE FROM shop.users'));

  async function groupOf(count: number, port: number): Promise<TestApp[]> {
    const mysql = { ...stage.sql.connectionOptions(), port };
    const apps: TestApp[] = [];
    for (let i = 0; i < count; i++)
      apps.push(await stage.boot({ mysql, tables, reconnect, takeoverSeconds: 3 }));
    await waitFor(() => leaders(apps).length === 1, { message: 'a leader' });
    return apps;
  }

  it('that a connection loses is taken again, and nothing is lost on the way', async () => {
    const [app] = await groupOf(1, stage.sql.port);
    if (!app) throw new Error('There is no app');
    for (let id = 1; id <= 30; id++) {
      await stage.sql.query(`INSERT INTO shop.users VALUES (${id}, 'x')`);
      if (id % 10 === 0) await stage.sql.query(`KILL ${await waitFor(() => lockSession(stage))}`);
    }
    await app.cacheflow.caughtUp();
    const ids = new Set(app.events.map(({ after }) => after?.['id']));
    expect(ids.size).toBe(30);
    expect(codesOf(app)).toEqual(['CACHEFLOW_SOURCE_UNAVAILABLE']);
    expect(app.cacheflow.status().group.role).toBe('leader');
  });

  it('that comes back to the same process lets no call for a row go before those that were dropped', async () => {
    const called: string[] = [];
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    @Injectable()
    class Listener {
      @OnBinlog<{ name: string }>('shop.users')
      async onUser({ after }: ChangeEvent<{ name: string }>): Promise<void> {
        called.push(after?.name ?? '');
        await released;
      }
    }
    // The second call waits for the first one, the third one for room, and the others behind it.
    const options = { tables, reconnect, handlers: { queueSize: 2 } };
    const app = await stage.app(options, { providers: [Listener] });
    const names = ['a', 'b', 'c', 'd', 'e'];
    const writes = names.map((name) => `REPLACE INTO shop.users VALUES (1, '${name}')`);
    await stage.sql.query(`BEGIN; ${writes.join('; ')}; COMMIT`);
    await waitFor(() => app.cacheflow.status().pendingHandlers === 2, { message: 'the second call' });
    const { term } = app.cacheflow.status().group;
    await stage.sql.query(`KILL ${await lockSession(stage)}`);
    await waitFor(() => app.cacheflow.status().group.term > term, { message: 'the next term' });
    release();
    await waitFor(() => called.includes('e') && app.cacheflow.status().pendingHandlers === 0);
    // Each is followed by the next one, or by one that comes again.
    const ranks = called.map((name) => names.indexOf(name));
    expect(ranks.filter((rank, at) => rank > (ranks[at - 1] ?? -1) + 1)).toEqual([]);
    expect(called).toContain('b');
  });

  it('passes to another process when only the connection of the lock is cut', async () => {
    const apps = await groupOf(3, stage.sql.port);
    const [before] = leaders(apps);
    // All others wait for it before the holder is back.
    await stage.sql.query(`KILL ${await lockSession(stage)}`);
    await waitFor(() => leaders(apps).some((each) => each !== before), { message: 'the next leader' });
    await waitFor(() => before?.cacheflow.status().state === 'standby', {
      message: 'the old one to stand by',
    });
    expect(leaders(apps)).toHaveLength(1);
    await waitFor(async () => (await dumpThreads(stage.sql)) === 1);
  });

  it('is on the new source after a failover, where all processes meet', async () => {
    const other = await startOther(stage.kind);
    await other.query(replicate(stage.sql));
    const proxy = await SwitchingProxy.start(stage.sql.port);
    onTestFinished(() => proxy.dispose());
    const apps = await groupOf(3, proxy.port);
    await stage.sql.query("INSERT INTO shop.users VALUES (1, 'old')");
    await apps[0]?.cacheflow.caughtUp();
    await waitFor(async () => (await other.query('SELECT 1 FROM shop.users')).length === 1);
    proxy.close();
    await other.query(stage.kind === 'mysql' ? 'STOP REPLICA' : 'STOP SLAVE');
    await stage.cache('shop:users:2');
    await other.query("INSERT INTO shop.users VALUES (2, 'new')");
    proxy.open(other.port);
    for (const app of apps) await app.cacheflow.caughtUp({ timeoutMillis: 30_000 });
    expect(await stage.redis.get('shop:users:2')).toBeNull();
    expect(leaders(apps)).toHaveLength(1);
    await waitFor(async () => (await dumpThreads(other)) === 1);
    expect(apps.flatMap(({ events }) => events).filter(({ after }) => after?.['id'] === 2)).toHaveLength(1);
    expect(apps.flatMap(codesOf)).not.toContain('CACHEFLOW_POSITION_LOST');
  });

  it('passes to whoever reaches the new source, although the old leader still lives', async () => {
    const other = await startOther(stage.kind);
    await other.query(SCHEMA);
    const [ofLeader, ofOther] = [
      await SwitchingProxy.start(stage.sql.port),
      await SwitchingProxy.start(stage.sql.port),
    ];
    onTestFinished(() => ofLeader.dispose());
    onTestFinished(() => ofOther.dispose());
    const [before] = await groupOf(1, ofLeader.port);
    const mysql = { ...stage.sql.connectionOptions(), port: ofOther.port };
    const next = await stage.boot({ mysql, tables, reconnect, takeoverSeconds: 3 });
    await waitFor(() => next.cacheflow.status().state === 'standby', { message: 'the standby' });
    ofLeader.close();
    ofOther.close();
    await waitFor(() => before?.cacheflow.status().group.role === 'standby', {
      message: 'the lead to be lost',
      timeoutMillis: 20_000,
    });
    ofOther.open(other.port);
    await waitFor(() => leaders([next]).length === 1, { message: 'the next leader', timeoutMillis: 20_000 });
    expect(before?.cacheflow.status().group).toMatchObject({
      role: 'standby',
      leader: next.cacheflow.status().group.self,
    });
  });

  it('on an old source that still runs is left by and by, when the address leads elsewhere', async () => {
    const other = await startOther(stage.kind);
    await other.query(replicate(stage.sql));
    const proxy = await SwitchingProxy.start(stage.sql.port);
    onTestFinished(() => proxy.dispose());
    const apps = await groupOf(2, proxy.port);
    await waitFor(async () => (await other.query("SHOW TABLES FROM shop LIKE 'users'")).length === 1);
    // New connections lead to the other one, and those that are there stay.
    proxy.open(other.port);
    await stage.sql.query("INSERT INTO shop.users VALUES (1, 'x')");
    await waitFor(() => apps.some(({ events }) => events.length > 0), { message: 'the change' });
    await waitFor(async () => (await other.query('SELECT 1 FROM shop.users')).length === 1);
    // Whoever looks whether changes can be seen may have noticed before.
    const holder = await lockSession(stage);
    if (holder > 0) await stage.sql.query(`KILL ${holder}`);
    await waitFor(async () => (await dumpThreads(other)) === 1 && leaders(apps).length === 1, {
      message: 'a leader on the other server',
      timeoutMillis: 20_000,
    });
    await other.query(stage.kind === 'mysql' ? 'STOP REPLICA' : 'STOP SLAVE');
    await stage.cache('shop:users:7');
    await other.query("INSERT INTO shop.users VALUES (7, 'x')");
    for (const app of apps) await app.cacheflow.caughtUp({ timeoutMillis: 20_000 });
    expect(await stage.redis.get('shop:users:7')).toBeNull();
  });

  it('keeps two groups of one name apart where they have no Redis in common', async () => {
    const [app] = await groupOf(1, stage.sql.port);
    const redis = { port: stage.redisServer.port, db: 1 };
    const other = await stage.app({ tables, reconnect, redis });
    expect(other.cacheflow.status().group.role).toBe('leader');
    expect(app?.cacheflow.status().group.role).toBe('leader');
  });

  it('tells two groups of one name on two sources, of which the first one goes on', async () => {
    const other = await startOther(stage.kind);
    await other.query(SCHEMA);
    const [app] = await groupOf(1, stage.sql.port);
    const second = await stage.boot({ tables, reconnect, mysql: other.connectionOptions() });
    await waitFor(() => codesOf(second).includes('CACHEFLOW_GROUP_SPLIT'), { message: 'the report' });
    expect(second.errors[0]?.message).toContain('give each a `name` of its own');
    expect(second.cacheflow.status().state).not.toBe('streaming');
    const checkpoint = await stage.redis.get('cacheflow:default:checkpoint');
    await other.query("INSERT INTO shop.users VALUES (1, 'x')");
    await stage.sql.query("INSERT INTO shop.users VALUES (2, 'x')");
    await app?.cacheflow.caughtUp();
    expect(app?.events.map(({ after }) => after?.['id'])).toEqual([2]);
    expect(app?.errors).toEqual([]);
    await app?.close();
    expect(await stage.redis.get('cacheflow:default:checkpoint')).not.toBe(checkpoint);
    // Nobody else is there any more.
    await waitFor(() => leaders([second]).length === 1, {
      message: 'the second one to lead',
      timeoutMillis: 20_000,
    });
  });

  it('is missed where the server refuses it, and a lease in Redis does instead', async () => {
    const refusal = 'Percona-XtraDB-Cluster prohibits use of GET_LOCK with pxc_strict_mode = ENFORCING';
    const proxy = await RefusingProxy.start(stage.sql.port, 'GET_LOCK', refusal);
    onTestFinished(() => proxy.dispose());
    const mysql = { ...stage.sql.connectionOptions(), port: proxy.port };
    await expect(stage.boot({ mysql, tables })).rejects.toMatchObject({
      code: 'CACHEFLOW_CONFIGURATION',
      message: expect.stringMatching(
        /election: the source refuses GET_LOCK \(.*strict.*\)[^]*election: 'redis'/,
      ),
    });
    const app = await stage.app({ mysql, tables, election: 'redis' });
    expect(app.cacheflow.status().group.role).toBe('leader');
  });
});

describeEachSql('a name', { schema: SCHEMA }, (stage: Stage) => {
  it.each(['Orders', 'x'.repeat(80), 'bestellungen ü', "o'brien"])('may be any: %s', async (name) => {
    const first = await stage.app({ tables, name });
    const second = await stage.boot({ tables, name });
    await waitFor(() => second.cacheflow.status().state === 'standby');
    // Locks know no case: another group has another lock all the same.
    const third = await stage.app({
      tables,
      name: name.toUpperCase() === name ? name.toLowerCase() : name.toUpperCase(),
    });
    expect(third.cacheflow.status().group.role).toBe('leader');
    await first.close();
    await waitFor(() => second.cacheflow.status().group.role === 'leader', { message: 'the takeover' });
  });
});
