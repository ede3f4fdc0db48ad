/** An account of the database server. */
export interface Account {
  user: string;
  password: string;
}

/** Where everything is; also the token under which Nest injects it. */
export class AppConfig {
  constructor(
    /** The service's own account: reads and writes the tables. */
    readonly mysql: Account & { host: string; port: number },
    /** The account that reads the binlog; it needs no right to write anything. */
    readonly replication: Account,
    readonly redis: { host: string; port: number },
    /** Where refused commands wait for their next attempt; without it they are tried again in place. */
    readonly rabbitmq?: { url: string },
  ) {}

  /** @throws Error when a port is not a number */
  static fromEnvironment(env: NodeJS.ProcessEnv = process.env): AppConfig {
    const user = env['MYSQL_USER'] ?? 'root';
    const password = env['MYSQL_PASSWORD'] ?? '';
    const rabbitmq = env['RABBITMQ_URL'];
    return new AppConfig(
      { host: env['MYSQL_HOST'] ?? '127.0.0.1', port: portFrom(env, 'MYSQL_PORT', 3306), user, password },
      {
        user: env['CACHEFLOW_MYSQL_USER'] ?? user,
        password: env['CACHEFLOW_MYSQL_PASSWORD'] ?? password,
      },
      { host: env['REDIS_HOST'] ?? '127.0.0.1', port: portFrom(env, 'REDIS_PORT', 6379) },
      rabbitmq ? { url: rabbitmq } : undefined,
    );
  }
}

/** @throws Error when the variable is set and is not a port */
export function portFrom(env: NodeJS.ProcessEnv, name: string, fallback: number): number {
  const text = env[name];
  if (text === undefined || text === '') return fallback;
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new Error(`${name} is not a port: ${text}`);
  return port;
}
