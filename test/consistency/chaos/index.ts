// npm run chaos -- --minutes N [--seed S] [--server mysql|mariadb|both] [--writers W] [--only fault,…] [--no-truncate]
import { parseArgs } from 'node:util';
import { FAULTS } from './faults';
import { formatResult, isClean } from './report';
import { runChaos } from './run';
import type { SqlKind } from './world';

const USAGE = `npm run chaos -- [--minutes N] [--seed S] [--server mysql|mariadb|both] [--writers W] [--only fault,…] [--no-truncate]
Faults: ${Object.keys(FAULTS).join(', ')}`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '2' },
      seed: { type: 'string' },
      server: { type: 'string', default: 'both' },
      writers: { type: 'string', default: '4' },
      only: { type: 'string', default: '' },
      truncate: { type: 'boolean', default: true },
    },
    allowNegative: true,
  });
  const seconds = Number(values.minutes) * 60;
  const seed = values.seed === undefined ? Date.now() % 1_000_000 : Number(values.seed);
  const writers = Number(values.writers);
  const only = values.only.split(',').filter((kind) => kind !== '');
  const servers = serversOf(values.server);
  const unknown = only.filter((kind) => !Object.hasOwn(FAULTS, kind));
  if (!(seconds > 0) || !Number.isInteger(seed) || !(writers >= 1) || !servers || unknown.length > 0) {
    console.error(USAGE);
    return 2;
  }
  let clean = true;
  for (const server of servers) {
    console.log(`${server}: ${seconds} s with seed ${seed}`);
    const result = await runChaos({
      server,
      seconds,
      seed,
      writers,
      faults: only.length > 0 ? only : Object.keys(FAULTS),
      truncate: values.truncate,
      log: console.log,
    });
    console.log(formatResult(result));
    clean &&= isClean(result);
  }
  return clean ? 0 : 1;
}

function serversOf(name: string): SqlKind[] | undefined {
  if (name === 'both') return ['mysql', 'mariadb'];
  return name === 'mysql' || name === 'mariadb' ? [name] : undefined;
}

// The servers and the app are kept by a process that ends them once this one is gone, however it goes.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  },
);
