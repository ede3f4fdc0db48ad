import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Redis } from 'ioredis';
import { createConnection as connectSql } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  createTls,
  type RabbitMqServer,
  type RedisServer,
  type ServerHandle,
  type SqlServer,
  startMariadb,
  startMysql,
  startRabbitmq,
  startRedis,
  startRedisCluster,
} from '../../support/servers';
import { waitFor } from '../../support/wait-for';

// Holds no promise of the library: it holds what the other tests stand on.

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function acceptsConnections({ host, port }: ServerHandle): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host, port });
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

async function expectGoneAfterDispose(server: ServerHandle): Promise<void> {
  const { pid, dataDir } = server;
  await server.dispose();
  expect(isRunning(pid)).toBe(false);
  expect(existsSync(dataDir)).toBe(false);
  await server.dispose();
}

describe.each([
  { kind: 'mysql', launch: startMysql },
  { kind: 'mariadb', launch: startMariadb },
] as const)('$kind', ({ kind, launch }) => {
  let server: SqlServer;

  beforeAll(async () => {
    server = await launch();
  });
  afterAll(() => server?.dispose());

  it('writes a ROW binlog with full metadata', async () => {
    expect(server.kind).toBe(kind);
    expect(server.version).toMatch(kind === 'mysql' ? /^\d+\.\d+\.\d+(?!.*MariaDB)/ : /MariaDB/);
    const rows = await server.query<{ format: string; image: string; metadata: string }>(
      'SELECT @@binlog_format AS format, @@binlog_row_image AS image, @@binlog_row_metadata AS metadata',
    );
    expect(rows).toEqual([{ format: 'ROW', image: 'FULL', metadata: 'FULL' }]);
  });

  it('answers after a pause what it was asked during it', async () => {
    await server.query('SELECT 1');
    server.pause();
    const answer = server.query<{ n: number }>('SELECT ? AS n', [42]);
    server.resume();
    expect(await answer).toEqual([{ n: 42 }]);
  });

  it('keeps port and data over SIGKILL and over a clean restart', async () => {
    const { port, pid } = server;
    await server.query(
      'CREATE DATABASE kept; CREATE TABLE kept.t (id INT PRIMARY KEY); INSERT INTO kept.t VALUES (7)',
    );
    await server.kill();
    expect(isRunning(pid)).toBe(false);
    expect(await acceptsConnections(server)).toBe(false);
    await server.start();
    expect(await server.query('SELECT id FROM kept.t')).toEqual([{ id: 7 }]);
    await server.restart();
    expect(await server.query('SELECT id FROM kept.t')).toEqual([{ id: 7 }]);
    expect(server.port).toBe(port);
    expect(server.pid).not.toBe(pid);
  });

  it('is gone after dispose, even when it is paused', async () => {
    server.pause();
    await expectGoneAfterDispose(server);
  });
});

describe('mysql', () => {
  it('takes arguments that win over the defaults, and a server UUID and a certificate of its own', async () => {
    const tls = await createTls();
    const plain = await startMysql({
      args: ['--gtid-mode=OFF', '--enforce-gtid-consistency=OFF'],
      fast: true,
    });
    const secured = await startMysql({ tls });
    try {
      const own = 'SELECT @@server_uuid AS uuid, @@gtid_mode AS gtid';
      const [first] = await plain.query<{ uuid: string; gtid: string }>(own);
      const [second] = await secured.query<{ uuid: string; gtid: string }>(own);
      expect(first?.gtid).toBe('OFF');
      expect(second?.gtid).toBe('ON');
      expect(first?.uuid).not.toBe(second?.uuid);
      const client = await connectSql({ ...secured.connectionOptions(), ssl: { ca: readFileSync(tls.ca) } });
      const [rows] = await client.query("SHOW SESSION STATUS LIKE 'Ssl_cipher'");
      expect(rows).toEqual([{ Variable_name: 'Ssl_cipher', Value: expect.stringMatching(/./) }]);
      await client.end();
    } finally {
      await Promise.all([plain.dispose(), secured.dispose(), tls.dispose()]);
    }
  });
});

describe('redis', () => {
  let server: RedisServer;

  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server?.dispose());

  it('answers after a pause what it was asked during it', async () => {
    server.pause();
    const answer = server.command('PING');
    server.resume();
    expect(await answer).toBe('PONG');
  });

  it('keeps its port over SIGKILL, and its data only when told to', async () => {
    const { port } = server;
    const durable = await startRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] });
    for (const redis of [server, durable]) {
      await redis.command('SET', 'key', 'value');
      await redis.kill();
      await redis.start();
    }
    expect(server.port).toBe(port);
    expect(await server.command('GET', 'key')).toBeNull();
    expect(await durable.command('GET', 'key')).toBe('value');
    await durable.dispose();
  });

  it('speaks TLS', async () => {
    const tls = await createTls();
    const secured = await startRedis({ tls });
    const client = new Redis(secured.connectionOptions());
    expect(await client.ping()).toBe('PONG');
    client.disconnect();
    await Promise.all([secured.dispose(), tls.dispose()]);
  });

  it('tells the end of the log when it cannot start', async () => {
    await expect(startRedis({ args: ['--no-such-option', 'yes'] })).rejects.toThrow(/no-such-option/);
  });

  it('is Valkey where that is asked for', async () => {
    const valkey = await startRedis({ engine: 'valkey' });
    try {
      expect(valkey.kind).toBe('valkey');
      expect(await valkey.command<string>('INFO', 'server')).toContain(`valkey_version:${valkey.version}`);
    } finally {
      await valkey.dispose();
    }
  });

  it('forms a cluster whose nodes own all slots', async () => {
    const cluster = await startRedisCluster();
    try {
      expect(cluster.nodes).toHaveLength(3);
      for (const node of cluster.nodes) {
        const info = await node.command<string>('CLUSTER', 'INFO');
        expect(info).toContain('cluster_state:ok');
        expect(info).toContain('cluster_slots_assigned:16384');
      }
    } finally {
      await cluster.dispose();
    }
  });

  it('is gone after dispose', () => expectGoneAfterDispose(server));
});

describe('rabbitmq', () => {
  let server: RabbitMqServer;

  beforeAll(async () => {
    server = await startRabbitmq();
  });
  afterAll(() => server?.dispose());

  it('survives a pause, and SIGKILL with port and folder kept', async () => {
    const { port, dataDir } = server;
    server.pause();
    server.resume();
    expect(await acceptsConnections(server)).toBe(true);
    await server.kill();
    expect(await acceptsConnections(server)).toBe(false);
    await server.start();
    expect(await acceptsConnections(server)).toBe(true);
    expect([server.port, server.dataDir]).toEqual([port, dataDir]);
  });

  it('is gone after dispose', () => expectGoneAfterDispose(server));
});

describe('servers whose starter is killed', () => {
  it('end as well, even when they are paused, and their folders go', async () => {
    const script = join(__dirname, '../../support/fixtures/starter.cjs');
    const stdio: ['ignore', 'pipe', 'inherit'] = ['ignore', 'pipe', 'inherit'];
    const starter = spawn(process.execPath, [script, 'startRedis', 'startMariadb'], { stdio });
    try {
      const lines: string[] = [];
      createInterface({ input: starter.stdout }).on('line', (line) => lines.push(line));
      await waitFor(() => lines.length === 2, { timeoutMillis: 30_000, message: 'two servers' });
      const started = lines.map((line) => JSON.parse(line) as { pid: number; dataDir: string });
      expect(started.every(({ pid }) => isRunning(pid))).toBe(true);
      for (const { pid } of started) process.kill(pid, 'SIGSTOP');
      starter.kill('SIGKILL');
      await waitFor(() => started.every(({ pid, dataDir }) => !isRunning(pid) && !existsSync(dataDir)), {
        message: 'both servers to be gone',
      });
    } finally {
      starter.kill('SIGKILL');
    }
  });
});
