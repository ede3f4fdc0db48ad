import { parseArgs } from 'node:util';

export const USAGE = `Starts a database, Redis, RabbitMQ and the sample app, and removes them at the end.

  npm run demo [-- options]

  --mariadb    MariaDB instead of MySQL
  --port=N     the page's port (3000 when it is free)
  --processes=N
               N processes of the app that are one group (1 to 9): one reads the binlog, the others stand by
  --check      one change, then the end: exit code 0 when the cached key went away and RabbitMQ is used, else 1;
               with several processes also one reader, one call for each change, a kill and a clean handover
  --help       this text`;

export interface DemoOptions {
  mariadb: boolean;
  check: boolean;
  help: boolean;
  port: number | undefined;
  processes: number;
}

const MAX_PROCESSES = 9;

/** @throws Error for an option that does not exist, a port that is none, or a number of processes that is out of range */
export function demoOptions(args = process.argv.slice(2)): DemoOptions {
  const flag = { type: 'boolean', default: false } as const;
  const { values } = parseArgs({
    args,
    options: {
      mariadb: flag,
      check: flag,
      help: flag,
      port: { type: 'string' },
      processes: { type: 'string', default: '1' },
    },
  });
  const port = values.port === undefined ? undefined : Number(values.port);
  if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port <= 65_535)) {
    throw new Error(`--port is not a port: ${values.port}`);
  }
  const processes = Number(values.processes);
  if (!(Number.isInteger(processes) && processes >= 1 && processes <= MAX_PROCESSES)) {
    throw new Error(`--processes is not a number from 1 to ${MAX_PROCESSES}: ${values.processes}`);
  }
  return { ...values, port, processes };
}
