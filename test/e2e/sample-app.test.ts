import 'reflect-metadata';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CacheflowService } from '../../lib';
import { AppConfig } from '../../sample-app/app.config';
import { createApp } from '../../sample-app/create-app';
import { createSchema } from '../../sample-app/database/schema';
import { createBinlogReader } from '../../sample-app/demo/servers';
import { WelcomeMailsService } from '../../sample-app/mail/welcome-mails.service';
import type { Snapshot } from '../../sample-app/live/snapshot.service';
import type { RaceResult } from '../../sample-app/race/race.service';
import type { RabbitMqServer, RedisServer, SqlServer } from '../support/servers';
import { startMariadb, startMysql, startRabbitmq, startRedis } from '../support/servers';
import { waitFor } from '../support/wait-for';
import { EventStream } from './event-stream';

describe.each([
  ['MySQL', startMysql],
  ['MariaDB', startMariadb],
])('the sample app on %s', (_name, startSql) => {
  let sql: SqlServer;
  let redisServer: RedisServer;
  let rabbitmq: RabbitMqServer;
  let redis: Redis;
  let config: AppConfig;
  let app: NestExpressApplication;
  let cacheflow: CacheflowService;
  let url: string;

  beforeAll(async () => {
    [sql, redisServer, rabbitmq] = await Promise.all([startSql(), startRedis(), startRabbitmq()]);
    redis = new Redis(redisServer.connectionOptions());
    await createSchema(sql.connectionOptions());
    const replication = await createBinlogReader(sql);
    const redisAddress = { host: '127.0.0.1', port: redisServer.port };
    const { url: rabbitmqUrl } = rabbitmq;
    config = new AppConfig(sql.connectionOptions(), replication, redisAddress, { url: rabbitmqUrl });
    app = await createApp(config, { logLevels: ['fatal', 'error', 'warn'] });
    await app.listen(0, '127.0.0.1');
    url = await app.getUrl();
    cacheflow = app.get(CacheflowService);
    await cacheflow.caughtUp();
  });
  afterAll(async () => {
    await app?.close();
    redis?.disconnect();
    await Promise.all([sql?.dispose(), redisServer?.dispose(), rabbitmq?.dispose()]);
  });
  beforeEach(async () => {
    await sql.query('DELETE FROM user.settings; DELETE FROM user.users');
    await cacheflow.caughtUp();
    // Those that say that there is no such row.
    await cacheflow.invalidate(...(await redis.keys('user:*')));
  });

  function send(method: string, path: string, body?: unknown): Promise<Response> {
    const json =
      body === undefined
        ? {}
        : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
    return fetch(`${url}${path}`, { method, ...json });
  }

  async function createUser(name: string): Promise<number> {
    const answer = await send('POST', '/users', { name, email: `${name.toLowerCase()}@example.org` });
    expect(answer.status).toBe(201);
    return ((await answer.json()) as { id: number }).id;
  }

  async function read(path: string): Promise<{ from: string | null; status: number; body: unknown }> {
    const answer = await send('GET', path);
    return { from: answer.headers.get('x-cache'), status: answer.status, body: await answer.json() };
  }

  it('forgets a cached user whom somebody changes directly in the database', async () => {
    const id = await createUser('Ada');
    await cacheflow.caughtUp();
    expect((await read(`/users/${id}`)).from).toBe('miss');
    expect((await read(`/users/${id}`)).from).toBe('hit');

    await sql.query("UPDATE user.users SET name = 'Ada King' WHERE id = ?", [id]);
    await cacheflow.caughtUp();

    expect(await redis.exists(`user:users:${id}`)).toBe(0);
    expect(await read(`/users/${id}`)).toEqual({
      from: 'miss',
      status: 200,
      body: { id, name: 'Ada King', email: 'ada@example.org' },
    });
  });

  it('forgets a cached user who is changed or deleted over HTTP, without a redis.del()', async () => {
    const id = await createUser('Grace');
    await cacheflow.caughtUp();
    await read(`/users/${id}`);

    expect((await send('PATCH', `/users/${id}`, { name: 'Grace Hopper' })).status).toBe(200);
    await cacheflow.caughtUp();
    expect(await read(`/users/${id}`)).toMatchObject({ from: 'miss', body: { name: 'Grace Hopper' } });

    expect((await send('DELETE', `/users/${id}`)).status).toBe(204);
    await cacheflow.caughtUp();
    expect(await redis.keys('user:*')).toEqual([]);
    expect((await send('GET', `/users/${id}`)).status).toBe(404);
  });

  it('finds settings in Redis that nobody put there', async () => {
    const id = await createUser('Alan');
    await send('PUT', `/users/${id}/settings`, { theme: 'dark', newsletter: true });
    await cacheflow.caughtUp();
    expect(JSON.parse((await redis.get(`user:settings:${id}`)) ?? 'null')).toEqual({
      user_id: id,
      theme: 'dark',
      newsletter: 1,
    });

    await sql.query('UPDATE user.settings SET newsletter = 0 WHERE user_id = ?', [id]);
    await cacheflow.caughtUp();
    expect((await read(`/users/${id}/settings`)).body).toEqual({ user_id: id, theme: 'dark', newsletter: 0 });
  });

  it('remembers that there is no such user, until somebody inserts the row', async () => {
    expect(await read('/users/4713')).toMatchObject({ from: 'miss', status: 404 });
    expect(await read('/users/4713')).toMatchObject({ from: 'hit', status: 404 });

    await sql.query("INSERT INTO user.users (id, name, email) VALUES (4713, 'John', 'john@example.org')");
    await cacheflow.caughtUp();
    expect(await read('/users/4713')).toMatchObject({ from: 'miss', status: 200, body: { name: 'John' } });
    expect(await read('/users/4713')).toMatchObject({ from: 'hit', status: 200, body: { name: 'John' } });
  });

  it('gives the same settings whether write-through, a reader or nobody has put them into Redis', async () => {
    const id = await createUser('Margaret');
    const path = `/users/${id}/settings`;
    expect((await read(path)).status).toBe(404);
    await send('PUT', path, { theme: 'light', newsletter: true });
    await cacheflow.caughtUp();
    const written = (await read(path)).body;
    expect(written).toEqual({ user_id: id, theme: 'light', newsletter: 1 });

    await redis.unlink(`user:settings:${id}`);
    expect((await read(path)).body).toEqual(written);
    expect(await redis.ttl(`user:settings:${id}`)).toBeGreaterThan(0);
    expect((await read(path)).body).toEqual(written);
  });

  it('greets a user whom somebody inserts directly into the database', async () => {
    await sql.query(
      "INSERT INTO user.users (id, name, email) VALUES (4711, 'Barbara', 'barbara@example.org')",
    );
    const mails = app.get(WelcomeMailsService);
    const mail = await waitFor(async () => (await mails.latest()).find(({ userId }) => userId === 4711));
    expect(mail).toMatchObject({ pid: process.pid, calls: 1 });
    // As it is when the change arrives a second time.
    expect(await mails.claim(4711, mail?.changeId ?? '')).toBe(false);
    expect(await mails.latest()).toContainEqual({ ...mail, calls: 2 });
  });

  it('sends each change to the browsers, and after a break what they missed', async () => {
    const first = await EventStream.open(`${url}/events`);
    const id = await createUser('Edsger');
    const change = await first.next(
      ({ data }) => data['action'] === 'insert' && data['table'] === 'users' && isUser(data, id),
    );
    expect(change.data).toMatchObject({ schema: 'user', before: null, after: { id, name: 'Edsger' } });
    await first.close();

    await send('PATCH', `/users/${id}`, { name: 'Edsger Dijkstra' });
    await cacheflow.caughtUp();
    const second = await EventStream.open(`${url}/events`, change.id);
    const missed = await second.next(() => true);
    expect(missed.data).toMatchObject({
      action: 'update',
      isHistory: false,
      after: { name: 'Edsger Dijkstra' },
    });
    await second.close();
  });

  it('answers a wrong request with every fault in it', async () => {
    const answer = await send('POST', '/users', { name: ' ', email: 'nobody', role: 'admin' });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({
      message: [
        'role is not a field here',
        'name must be a text that is not empty',
        'email must be an email address',
      ],
    });
    const id = await createUser('Tony');
    await createUser('Dennis');
    const statuses = await Promise.all([
      send('POST', '/users', []),
      send('POST', '/users', { name: 'x'.repeat(101), email: 'long@example.org' }),
      send('PATCH', `/users/${id}`, {}),
      send('PATCH', `/users/${id}`, { name: null }),
      send('GET', '/users/one'),
      send('PUT', `/users/${id}/settings`, { theme: 'blue', newsletter: 'yes' }),
      send('PUT', '/users/999999/settings', { theme: 'dark', newsletter: false }),
      send('PATCH', '/users/999999', { name: 'Nobody' }),
      send('DELETE', '/users/999999'),
      send('POST', '/users', { name: 'Second Tony', email: 'tony@example.org' }),
      send('PATCH', `/users/${id}`, { email: 'dennis@example.org' }),
    ]);
    expect(statuses.map(({ status }) => status)).toEqual([
      400, 400, 400, 400, 400, 400, 404, 404, 404, 409, 409,
    ]);
  });

  it('shows a page with the rows, the keys and the status', async () => {
    const id = await createUser('Radia');
    await cacheflow.caughtUp();
    await read(`/users/${id}`);
    const page = await send('GET', '/');
    expect(page.headers.get('content-type')).toContain('text/html');
    expect(await page.text()).toContain('main.js');

    expect((await read('/live')).body).toMatchObject({
      users: [{ id, name: 'Radia', key: `user:users:${id}` }],
      entries: [{ key: `user:users:${id}`, value: expect.stringContaining('Radia') as string }],
      status: { state: 'streaming', counters: { errors: 0 } },
    });

    expect((await send('POST', '/live/outsider', { id, name: 'Radia Perlman' })).status).toBe(204);
    await cacheflow.caughtUp();
    expect((await read('/live')).body).toMatchObject({ users: [{ name: 'Radia Perlman' }], entries: [] });
  });

  async function snapshot(): Promise<Snapshot> {
    return (await read('/live')).body as Snapshot;
  }

  async function saveSettings(theme: string): Promise<{ key: string; value: () => Promise<string | null> }> {
    const id = await createUser('Frances');
    await send('PUT', `/users/${id}/settings`, { theme, newsletter: true });
    const key = `user:settings:${id}`;
    return { key, value: () => redis.get(key) };
  }

  it('brings a value back for which Redis had no memory, and shows what was done for it', async () => {
    const before = (await snapshot()).status.retry;
    expect(before.state).toBe('connected');
    expect((await send('POST', '/live/memory')).status).toBe(204);
    expect(await redis.config('GET', 'maxmemory')).toEqual(['maxmemory', '1']);
    const saved = await saveSettings('dark');
    await waitFor(async () => (await snapshot()).status.retry.parked > before.parked, {
      message: 'the refusal',
    });
    expect(await saved.value()).toBeNull();

    await waitFor(async () => (await saved.value())?.includes('dark') === true, {
      timeoutMillis: 20_000,
      message: 'the value',
    });
    expect(await redis.config('GET', 'maxmemory')).toEqual(['maxmemory', '0']);
    const { status, deadLetters } = await snapshot();
    expect(status.retry.retried).toBeGreaterThan(before.retried);
    expect(status).toMatchObject({ barrier: {}, state: 'streaming' });
    expect(deadLetters).toEqual([]);
  });

  it('shows the dead letters, and has them tried again or discards them', async () => {
    const bury = async (theme: string) => {
      await redis.config('SET', 'maxmemory', '1');
      const saved = await saveSettings(theme);
      await waitFor(async () => (await snapshot()).deadLetters.length > 0, {
        timeoutMillis: 30_000,
        message: 'the dead letter',
      });
      await redis.config('SET', 'maxmemory', '0');
      const { deadLetters } = await snapshot();
      expect(deadLetters).toMatchObject([{ key: saved.key, reason: 'OOM', attempts: 8 }]);
      return { ...saved, letter: `/live/dead-letters/${deadLetters[0]?.id}` };
    };
    const first = await bury('dark');
    expect((await send('POST', `${first.letter}/requeue`)).status).toBe(204);
    await waitFor(async () => (await first.value())?.includes('dark') === true, { message: 'the value' });
    expect((await snapshot()).deadLetters).toEqual([]);
    expect((await send('POST', `${first.letter}/requeue`)).status).toBe(404);

    await sql.query('DELETE FROM user.users');
    const second = await bury('light');
    expect((await send('DELETE', second.letter)).status).toBe(204);
    expect((await snapshot()).deadLetters).toEqual([]);
    expect(await second.value()).toBeNull();
  });

  it('forgets all cached users when their table is truncated', async () => {
    const id = await createUser('Annie');
    await redis.set('user:users:4712', 'of no row');
    await read(`/users/${id}`);
    expect((await send('POST', '/live/truncate')).status).toBe(204);
    await cacheflow.caughtUp();
    expect(await redis.keys('user:users:*')).toEqual([]);
    expect((await snapshot()).users).toMatchObject([{ id, name: 'Annie' }]);
  });

  it('runs one race at a time, in which readers with leases leave nothing stale', async () => {
    const answers = await Promise.all([send('POST', '/live/race'), send('POST', '/live/race')]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
    const { plain, leased } = (await answers.find(({ ok }) => ok)!.json()) as RaceResult;

    expect(leased).toMatchObject({ stale: 0, reads: plain.reads, writes: plain.writes });
    expect(leased.keys).not.toContain('stale');
    // Otherwise nobody would have raced.
    expect(leased.refusedFills).toBeGreaterThan(0);
    // By hand it is a matter of luck.
    expect(plain.stale).toBe(plain.keys.filter((state) => state === 'stale').length);
    expect(plain.keys).toHaveLength(leased.keys.length);
    // The race leaves nothing behind, and does not fill the page.
    expect(await redis.keys('race:*')).toEqual([]);
  });

  it('ends in the middle of a race', async () => {
    const second = await createApp(config, { logLevels: ['fatal', 'error', 'warn'] });
    await second.listen(0, '127.0.0.1');
    const race = fetch(`${await second.getUrl()}/live/race`, { method: 'POST' });
    const outcome = race.then(
      ({ status }) => status,
      () => 'cut off',
    );
    await waitFor(async () => (await redis.keys('race:*')).length > 0, { message: 'the race' });
    await second.close();
    expect([503, 'cut off']).toContain(await outcome);
    expect(await redis.keys('race:*')).toEqual([]);
  });
});

function isUser(data: Record<string, unknown>, id: number): boolean {
  return (data['after'] as { id?: number } | null)?.id === id;
}
