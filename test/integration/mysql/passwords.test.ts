import { expect, it } from 'vitest';
import { RedisUnavailableError, SourceUnavailableError } from '../../../lib';
import type { TestApp } from '../../support/app';
import type { Stage } from '../../support/each-sql';
import { describeEachSql } from '../../support/each-sql';
import { waitFor } from '../../support/wait-for';

// Least grants suffice, and passwords may rotate under a running tail.

const SCHEMA = `
  CREATE DATABASE shop; CREATE TABLE shop.users (id INT PRIMARY KEY, name VARCHAR(50));
  CREATE TABLE shop.docs (id INT PRIMARY KEY, body JSON);
  CREATE DATABASE closed; CREATE TABLE closed.vault (id INT PRIMARY KEY);`;
const tables = [{ db: 'shop', table: '*' }];
const reconnect = { minMillis: 20, maxMillis: 100 };

async function createUser(stage: Stage, user: string, password: string): Promise<void> {
  await stage.sql.query(`CREATE USER ${user} IDENTIFIED BY '${password}'`);
  await stage.sql.query(
    `GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO ${user}; GRANT SELECT ON shop.* TO ${user}`,
  );
}

async function expectApplied(stage: Stage, app: TestApp): Promise<void> {
  await stage.cache('shop:users:1', 'shop:users:2');
  await stage.sql.query('REPLACE INTO shop.users VALUES (1, UUID())');
  await app.cacheflow.caughtUp();
  expect(await stage.redis.mget('shop:users:1', 'shop:users:2')).toEqual([null, 'cached']);
}

/** Ends every connection of a user, and waits until the tail has noticed. */
async function killConnections(stage: Stage, app: TestApp, user: string): Promise<void> {
  const known = app.errors.length;
  const open = await stage.sql.query<{ Id: number; User: string }>('SHOW PROCESSLIST');
  for (const { Id } of open.filter(({ User }) => User === user)) {
    // With the first one gone, the tail closes the others by itself.
    await stage.sql.query(`KILL ${Id}`).catch((error: unknown) => {
      if (!String(error).includes('Unknown thread id')) throw error;
    });
  }
  await waitFor(() => app.errors.slice(known).some((error) => error instanceof SourceUnavailableError), {
    message: 'the tail to notice',
  });
}

describeEachSql('an account', { schema: SCHEMA }, (stage) => {
  it('with the least grants is enough for everything', async () => {
    await createUser(stage, 'least', 'pw');
    // MySQL's default, here without TLS: the password goes over the wire under the server's RSA key.
    const [account] = await stage.sql.query("SELECT plugin FROM mysql.user WHERE user = 'least'");
    expect(account).toEqual({
      plugin: stage.kind === 'mysql' ? 'caching_sha2_password' : 'mysql_native_password',
    });
    const mysql = { ...stage.sql.connectionOptions(), user: 'least', password: 'pw' };
    const app = await stage.app({ mysql, tables: [{ ...tables[0]!, strategy: 'write-through' }], reconnect });
    await stage.sql.query(
      'REPLACE INTO closed.vault VALUES (1); REPLACE INTO shop.docs VALUES (1, \'{"a": [1]}\')',
    );
    await stage.sql.query(
      "REPLACE INTO shop.users VALUES (1, 'a'); CREATE TABLE shop.late (id INT PRIMARY KEY); INSERT INTO shop.late VALUES (1)",
    );
    await app.cacheflow.caughtUp();
    expect(await stage.redis.mget('shop:docs:1', 'shop:users:1', 'shop:late:1')).toEqual([
      '{"id":1,"body":{"a":[1]}}',
      '{"id":1,"name":"a"}',
      '{"id":1}',
    ]);
    const { state, position, lag } = app.cacheflow.status();
    expect(state).toBe('streaming');
    expect(position?.gtidSet).toMatch(/\d/);
    expect(lag.millis).toBe(0);
    await killConnections(stage, app, 'least');
    await app.cacheflow.caughtUp();
    await app.close();
    const again = await stage.app({ mysql, tables, startAt: 'earliest' });
    expect(again.errors).toEqual([]);
    expect(again.log.filter((line) => /denied|may not/i.test(line))).toEqual([]);
  });

  it.each([
    ['a sync', (secret: () => string) => () => secret()],
    ['an async', (secret: () => string) => async () => Promise.resolve(secret())],
  ])('may change its password when %s function gives it', async (kind, toSource) => {
    const user = kind.replace(' ', '_');
    let password = 'first';
    await createUser(stage, user, password);
    const mysql = { ...stage.sql.connectionOptions(), user, password: toSource(() => password) };
    const app = await stage.app({ mysql, tables, reconnect });
    await expectApplied(stage, app);
    await stage.sql.query(`ALTER USER ${user} IDENTIFIED BY 'second'`);
    // For a while the function still gives the old one: that is no reason to give up.
    await killConnections(stage, app, user);
    await waitFor(() => app.errors.some(({ message }) => message.includes('Access denied')), {
      message: 'the refusal',
    });
    expect(app.cacheflow.status().state).toBe('connecting');
    password = 'second';
    await waitFor(() => app.cacheflow.status().state === 'streaming', { message: 'the tail to stream' });
    await expectApplied(stage, app);
  });

  it('whose password function fails is waited for, and what the function says stays out of the messages', async () => {
    let fails = false;
    await createUser(stage, 'vaulted', 'pw');
    const password = (): string => {
      if (fails) throw new TypeError('the vault has pw-sentinel for you');
      return 'pw';
    };
    const app = await stage.app({
      mysql: { ...stage.sql.connectionOptions(), user: 'vaulted', password },
      tables,
      reconnect,
    });
    fails = true;
    await killConnections(stage, app, 'vaulted');
    await waitFor(
      () => app.errors.some(({ message }) => message.includes('The password function failed: TypeError')),
      {
        message: 'the report',
      },
    );
    fails = false;
    await waitFor(() => app.cacheflow.status().state === 'streaming', { message: 'the tail to stream' });
    expect([...app.log, ...app.errors.map(String)].join('\n')).not.toContain('sentinel');
  });

  it('of Redis may change its password when a function gives it', async () => {
    for (const [user, command] of [
      ['default', 'requirepass'],
      ['rotating', 'ACL'],
    ] as const) {
      let password = 'first';
      const change = async (): Promise<void> => {
        if (command === 'ACL') {
          await stage.redis.acl('SETUSER', user, 'on', 'resetpass', `>${password}`, '+@all', '~*');
        } else await stage.redis.config('SET', 'requirepass', password);
      };
      await change();
      const redis = {
        port: stage.redisServer.port,
        username: user,
        password: async () => Promise.resolve(password),
      };
      const app = await stage.app({ redis, tables, name: user });
      await expectApplied(stage, app);
      password = 'second';
      await change();
      const ids = String(await stage.redis.client('LIST'))
        .trim()
        .split('\n')
        .filter((line) => line.includes(`user=${user} `))
        .map((line) => /^id=(\d+)/.exec(line)![1]!);
      const own = String(await stage.redis.client('ID'));
      for (const id of ids.filter((each) => each !== own)) await stage.redis.client('KILL', 'ID', id);
      await expectApplied(stage, app);
      expect(app.errors.every((error) => error instanceof RedisUnavailableError)).toBe(true);
      await app.close();
      await stage.redis.config('SET', 'requirepass', '');
    }
  });
});
