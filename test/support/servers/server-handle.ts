import type { RedisOptions } from 'ioredis';

/** The servers that tests, demo and bench can ask for. */
export type ServerKind = 'mysql' | 'mariadb' | RedisEngine | 'rabbitmq';

/** What speaks the protocol of Redis. */
export type RedisEngine = 'redis' | 'valkey';

/** A real server on 127.0.0.1, gone at the latest when the process that started it is gone. */
export interface ServerHandle {
  readonly kind: ServerKind;
  readonly host: '127.0.0.1';
  /** The same over stop, kill and start. */
  readonly port: number;
  /** The server process itself, so that it can be signalled; another one after each start. */
  readonly pid: number;
  readonly dataDir: string;
  readonly version: string;
  readonly isPaused: boolean;
  isAlive(): Promise<boolean>;
  /** Clean shutdown; the data stay until dispose. */
  stop(): Promise<void>;
  /** SIGKILL; resolved when the process is gone. */
  kill(): Promise<void>;
  /** SIGSTOP: connections stay open and nothing answers. */
  pause(): void;
  /** SIGCONT. */
  resume(): void;
  /** Starts again on the same data and port, resolved when the server answers. */
  start(): Promise<void>;
  /** stop, then start. */
  restart(): Promise<void>;
  /** Ends the server at once and removes its folder. Harmless when repeated. */
  dispose(): Promise<void>;
}

export interface SqlConnectionOptions {
  host: '127.0.0.1';
  port: number;
  user: 'root';
  password: string;
}

export interface SqlServer extends ServerHandle {
  readonly kind: 'mysql' | 'mariadb';
  readonly rootPassword: string;
  /** As root; several statements separated by `;` are allowed. Survives restarts of the server. */
  query<T = Record<string, unknown>>(sql: string, params?: unknown[]): Promise<T[]>;
  /** For mysql2 and zongji. */
  connectionOptions(): SqlConnectionOptions;
}

export interface RedisServer extends ServerHandle {
  readonly kind: RedisEngine;
  /** For `new Redis(...)`, with the TLS part when the server was started with TLS. */
  connectionOptions(): RedisOptions;
  /** One command over a connection of its own. Survives restarts of the server. */
  command<T = unknown>(name: string, ...args: (string | number | Buffer)[]): Promise<T>;
}

export interface RabbitMqServer extends ServerHandle {
  readonly kind: 'rabbitmq';
  /** Of the default vhost, with the default user guest; `amqps://` when the server was started with TLS. */
  readonly url: string;
  /** Runs rabbitmqctl; needs a local server. */
  control(...args: string[]): Promise<string>;
}

export interface RabbitMqServerOptions {
  /** For who must know it before the broker is up. @defaultValue a free one */
  port?: number;
  /** The port then speaks TLS only. */
  tls?: TlsFiles;
}

/** PEM files for a server and its clients, all signed by one private CA. */
export interface TlsFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly clientCert: string;
  readonly clientKey: string;
}

export interface SqlServerOptions {
  /** Further mysqld arguments; they win over the defaults. */
  args?: string[];
  tls?: TlsFiles;
  env?: NodeJS.ProcessEnv;
  /** Does not wait for the disk at each commit; for benches and bulk set-up. @defaultValue false */
  fast?: boolean;
  /** The data are never in memory, where commits take another time. @defaultValue false */
  onDisk?: boolean;
}

export interface RedisServerOptions {
  /** @defaultValue 'redis' */
  engine?: RedisEngine;
  /** Further redis-server arguments; they win over the defaults. */
  args?: string[];
  /** The port then speaks TLS only. */
  tls?: TlsFiles;
}
