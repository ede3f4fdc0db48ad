import { parseArgs } from 'node:util';

export const USAGE = `Starts a database, Redis, RabbitMQ and the sample app, and removes them at the end.

  npm run demo [-- options]

  --mariadb    MariaDB instead of MySQL
  --port=N     the page's port (3000 when it is free)
  --check      one change, then the end: exit code 0 when the cached key went away and RabbitMQ is used, else 1
  --help       this text`;

export interface DemoOptions {
  mariadb: boolean;
  check: boolean;
  help: boolean;
  port: number | undefined;
}

/** @throws Error for an option that does not exist, or a port that is none */
export function demoOptions(args = process.argv.slice(2)): DemoOptions {
  const flag = { type: 'boolean', default: false } as const;
  const { values } = parseArgs({
    args,
    options: { mariadb: flag, check: flag, help: flag, port: { type: 'string' } },
  });
  const port = values.port === undefined ? undefined : Number(values.port);
  if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port <= 65_535)) {
    throw new Error(`--port is not a port: ${values.port}`);
  }
  return { ...values, port };
}
