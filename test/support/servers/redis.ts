import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { Redis, type RedisOptions } from 'ioredis';
import { BaseServer, startOnFreePort } from './base-server';
import { DockerRuntime } from './docker-runtime';
import { LocalRuntime } from './local-runtime';
import { provide } from './provide';
import type { Runtime } from './runtime';
import type { Binary } from './fetched';
import type { RedisEngine, RedisServer, RedisServerOptions, TlsFiles } from './server-handle';

const CONNECT_TIMEOUT_MILLIS = 5_000;

class RedisProcess extends BaseServer implements RedisServer {
  private connection?: Redis;

  constructor(
    readonly kind: RedisEngine,
    runtime: Runtime,
    private readonly tls?: TlsFiles,
  ) {
    super(runtime);
  }

  connectionOptions(): RedisOptions {
    const { host, port } = this;
    return this.tls ? { host, port, tls: { ca: readFileSync(this.tls.ca) } } : { host, port };
  }

  async command<T = unknown>(name: string, ...args: (string | number | Buffer)[]): Promise<T> {
    if (this.connection?.status === 'end') this.connection = undefined;
    this.connection ??= this.client();
    return (await this.connection.call(name, ...args)) as T;
  }

  protected async probe(): Promise<string> {
    const client = this.client();
    try {
      const info = String(await client.info('server'));
      const directory = ((await client.config('GET', 'dir')) as string[]).at(1);
      if (directory !== this.dataDir) throw new Error('Another server has the port: address already in use');
      return new RegExp(`${this.kind}_version:(\\S+)`).exec(info)?.[1] ?? 'unknown';
    } finally {
      client.disconnect();
    }
  }

  protected disconnect(): void {
    this.connection?.disconnect();
    this.connection = undefined;
  }

  private client(): Redis {
    const client = new Redis({
      ...this.connectionOptions(),
      connectTimeout: CONNECT_TIMEOUT_MILLIS,
      // A lost connection fails the command at once; the next command opens another one.
      retryStrategy: () => null,
    });
    // Each command reports the failure to its own caller.
    client.on('error', () => undefined);
    return client;
  }
}

/** Starts Redis or Valkey, without persistence unless `args` ask for it. */
export async function startRedis(given: RedisServerOptions = {}): Promise<RedisServer> {
  const { engine = usualEngine() } = given;
  const options = { ...given, engine };
  const provision = await provide(engine);
  return startOnFreePort((port) => {
    const runtime =
      'binary' in provision
        ? local(provision.binary, port, options)
        : container(provision.image, port, options);
    return new RedisProcess(engine, runtime, options.tls);
  });
}

/** A run of the tests on Valkey is on Valkey wherever they start a Redis. */
function usualEngine(): RedisEngine {
  return process.env['CACHEFLOW_TEST_REDIS'] === 'valkey' ? 'valkey' : 'redis';
}

function serverArgs(port: number, { tls, args = [] }: RedisServerOptions): string[] {
  const listen = tls
    ? ['--port', '0', '--tls-port', `${port}`, '--tls-auth-clients', 'optional']
    : ['--port', `${port}`];
  const files = tls
    ? ['--tls-ca-cert-file', tls.ca, '--tls-cert-file', tls.cert, '--tls-key-file', tls.key]
    : [];
  return [...listen, ...files, '--save', '', '--appendonly', 'no', ...args];
}

function local({ command, args }: Binary, port: number, options: RedisServerOptions): Runtime {
  return new LocalRuntime({
    name: 'redis',
    port,
    dataDir: (folder) => folder,
    main: (folder) => ({
      command,
      args: [...args, '--bind', '127.0.0.1', '--dir', folder, ...serverArgs(port, options)],
      cwd: folder,
    }),
  });
}

function container(image: string, port: number, options: RedisServerOptions): Runtime {
  return new DockerRuntime({
    image,
    port,
    innerPort: 6379,
    args: [`${options.engine ?? 'redis'}-server`, ...serverArgs(6379, options)],
    mount: options.tls && dirname(options.tls.ca),
    dataDir: '/data',
  });
}
