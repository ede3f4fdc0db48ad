import { readFileSync } from 'node:fs';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { MysqlSourceOptions } from '../../../lib';
import { RedisUnavailableError } from '../../../lib';
import type { AppOptions, TestApp } from '../../support/app';
import { startApp } from '../../support/app';
import { faultLines, refusedBoot } from '../../support/refused-boot';
import type { RedisServer, SqlServer, TlsFiles } from '../../support/servers';
import { createTls, startMariadb, startMysql, startRedis } from '../../support/servers';
import { waitFor } from '../../support/wait-for';

// Everything works over TLS with a private CA, with client certificates, and a wrong CA is refused with a clear message.

const GRANTS = 'REPLICATION SLAVE, REPLICATION CLIENT ON *.*';
const tables = [{ db: 'shop', table: 'users' }];

let tls: TlsFiles & { dispose(): Promise<void> };
let stranger: TlsFiles & { dispose(): Promise<void> };
let redisServer: RedisServer;
let redis: Redis;
const apps: TestApp[] = [];

beforeAll(async () => {
  [tls, stranger] = await Promise.all([createTls(), createTls()]);
  redisServer = await startRedis({ tls });
  redis = new Redis(secureRedis());
});
afterEach(async () => {
  for (const app of apps.splice(0)) await app.close();
  await redis.flushall();
});
afterAll(async () => {
  redis?.disconnect();
  await redisServer?.dispose();
  await Promise.all([tls?.dispose(), stranger?.dispose()]);
});

function secureRedis() {
  return {
    host: '127.0.0.1',
    port: redisServer.port,
    tls: { ca: readFileSync(tls.ca), cert: readFileSync(tls.clientCert), key: readFileSync(tls.clientKey) },
  };
}

async function start(options: Omit<AppOptions, 'tables'>): Promise<TestApp> {
  const app = await startApp({ tables, ...options });
  apps.push(app);
  return app;
}

describe.each([
  ['MySQL', startMysql],
  ['MariaDB', startMariadb],
] as const)('TLS to %s and to Redis', (_name, startSql) => {
  let sql: SqlServer;

  beforeAll(async () => {
    sql = await startSql({ tls });
    await sql.query(`
      CREATE DATABASE shop; CREATE TABLE shop.users (id INT PRIMARY KEY, name VARCHAR(50));
      CREATE USER secure IDENTIFIED BY 'pw' REQUIRE SSL; CREATE USER certified IDENTIFIED BY 'pw' REQUIRE X509`);
    for (const user of ['secure', 'certified']) {
      await sql.query(`GRANT ${GRANTS} TO ${user}; GRANT SELECT ON shop.* TO ${user}`);
    }
  });
  afterAll(() => sql?.dispose());

  const login = (user: string, ssl?: MysqlSourceOptions['ssl']): MysqlSourceOptions => ({
    ...sql.connectionOptions(),
    user,
    password: 'pw',
    ...(ssl === undefined ? {} : { ssl }),
  });

  async function expectWorking(app: TestApp): Promise<void> {
    await app.cacheflow.caughtUp();
    await redis.mset('shop:users:1', 'cached', 'shop:users:2', 'cached');
    await sql.query('REPLACE INTO shop.users VALUES (1, UUID())');
    await app.cacheflow.caughtUp();
    expect(await redis.mget('shop:users:1', 'shop:users:2')).toEqual([null, 'cached']);
    expect(app.errors).toEqual([]);
  }

  it('works for a user that has to use it', async () => {
    const ca = readFileSync(tls.ca);
    await expectWorking(await start({ mysql: login('secure', { ca }), redis: secureRedis() }));
  });

  it('works for a user that has to show a certificate', async () => {
    const ssl = {
      ca: readFileSync(tls.ca),
      cert: readFileSync(tls.clientCert),
      key: readFileSync(tls.clientKey),
    };
    await expectWorking(await start({ mysql: login('certified', ssl), redis: secureRedis() }));
  });

  it('is missed by the server where it has to be used: the start is refused', async () => {
    const noTls = await refusedBoot({ mysql: login('secure'), redis: secureRedis(), tables });
    expect(faultLines(noTls.faults)).toEqual([
      expect.stringMatching(
        /^mysql\.user, mysql\.password: the server refuses the login of 'secure' \(.*\) \| .*`mysql\.ssl`/,
      ),
    ]);
    const noCertificate = login('certified', { ca: readFileSync(tls.ca) });
    const error = await refusedBoot({ mysql: noCertificate, redis: secureRedis(), tables });
    expect(faultLines(error.faults)).toEqual([
      expect.stringMatching(/the server refuses the login of 'certified'/),
    ]);
  });

  it('with the wrong CA is refused at the start, and says which option is wrong', async () => {
    const mysql = login('secure', { ca: readFileSync(stranger.ca) });
    const error = await refusedBoot({ mysql, redis: secureRedis(), tables });
    expect(faultLines(error.faults)).toEqual([
      expect.stringMatching(
        /^mysql\.ssl: the certificate of the server is not accepted \(.*certificate.*\) \| Set `mysql\.ssl\.ca` to the certificate of the CA/,
      ),
    ]);
  });
});

describe('TLS to Redis', () => {
  let sql: SqlServer;

  beforeAll(async () => {
    sql = await startMariadb();
    await sql.query('CREATE DATABASE shop; CREATE TABLE shop.users (id INT PRIMARY KEY, name VARCHAR(50))');
  });
  afterAll(() => sql?.dispose());

  it('with the wrong CA is refused with a clear message, and nothing is sent', async () => {
    const wrong = { ...secureRedis(), tls: { ca: readFileSync(stranger.ca) } };
    const app = await start({ mysql: sql.connectionOptions(), redis: wrong });
    await waitFor(() => app.log.some((line) => line.includes('CACHEFLOW_REDIS_UNAVAILABLE')), {
      message: 'the error',
    });
    expect(app.log.join('\n')).toMatch(/The connection to Redis failed \(.*certificate.*\)/);
    expect(app.cacheflow.status().state).toBe('connecting');
  });

  it('works with client certificates where the server asks for them', async () => {
    await redis.config('SET', 'tls-auth-clients', 'yes');
    try {
      const app = await start({ mysql: sql.connectionOptions(), redis: secureRedis() });
      await app.cacheflow.caughtUp();
      expect(app.errors).toEqual([]);
      const bare = { ...secureRedis(), tls: { ca: readFileSync(tls.ca) } };
      const refused = await start({ name: 'bare', mysql: sql.connectionOptions(), redis: bare });
      await waitFor(
        () =>
          refused.errors.some((error) => error instanceof RedisUnavailableError) ||
          refused.log.some((line) => line.includes('CACHEFLOW_REDIS_UNAVAILABLE')),
        { message: 'the refusal' },
      );
    } finally {
      await redis.config('SET', 'tls-auth-clients', 'optional');
    }
  });
});
