// npm run chaos -- [--minutes N] [--seed S] [--server mysql|mariadb|both] [--redis single|cluster|sentinel|valkey]
//   [--processes N] [--distribute] [--writers W] [--only fault,…] [--writes kind,…] [--no-truncate]
import { parseArgs } from 'node:util';
import { TOPOLOGIES } from '../../support/redis/topology';
import { faultNames } from './faults';
import { GROUP_FAULTS } from './group-faults';
import { formatResult, isClean } from './report';
import { runChaos } from './run';
import type { SqlKind } from './world';
import type { WriteName } from './writes';
import { WRITE_NAMES, writeNames } from './writes';

const USAGE = `npm run chaos -- [--minutes N] [--seed S] [--server mysql|mariadb|both] [--redis ${TOPOLOGIES.join('|')}]
  [--processes N] [--distribute] [--writers W] [--only fault,…] [--writes kind,…] [--no-truncate]
Faults: ${TOPOLOGIES.map((redis) => `\n  on ${redis}: ${faultNames(redis).join(', ')}`).join('')}
  with several processes: ${Object.keys(GROUP_FAULTS).join(', ')}; or none
Kinds of writes besides plain transactions: ${WRITE_NAMES.join(', ')}, or plain for none of them`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '2' },
      seed: { type: 'string' },
      server: { type: 'string', default: 'both' },
      redis: { type: 'string', default: 'single' },
      processes: { type: 'string', default: '1' },
      distribute: { type: 'boolean', default: false },
      writers: { type: 'string', default: '4' },
      only: { type: 'string' },
      writes: { type: 'string' },
      truncate: { type: 'boolean', default: true },
    },
    allowNegative: true,
  });
  const seconds = Number(values.minutes) * 60;
  const seed = values.seed === undefined ? Date.now() % 1_000_000 : Number(values.seed);
  const writers = Number(values.writers);
  const processes = Number(values.processes);
  const redis = TOPOLOGIES.find((name) => name === values.redis);
  const known = faultNames(redis ?? 'single', processes);
  const faults = values.only === undefined ? known : namesIn(values.only, 'none');
  const writes = values.writes === undefined ? writeNames(processes) : namesIn(values.writes, 'plain');
  const servers = serversOf(values.server);
  const unknown = [
    ...faults.filter((kind) => !known.includes(kind)),
    ...writes.filter((kind) => !(WRITE_NAMES as readonly string[]).includes(kind)),
  ];
  const numbersFit = seconds > 0 && Number.isInteger(seed) && writers >= 1 && processes >= 1;
  if (!numbersFit || !servers || !redis || unknown.length > 0) {
    console.error(USAGE);
    return 2;
  }
  let clean = true;
  for (const server of servers) {
    console.log(`${server}: ${seconds} s with seed ${seed}`);
    const result = await runChaos({
      server,
      redis,
      seconds,
      seed,
      writers,
      processes,
      distribute: values.distribute,
      faults,
      truncate: values.truncate,
      writes: writes as WriteName[],
      log: console.log,
    });
    console.log(formatResult(result));
    clean &&= isClean(result);
  }
  return clean ? 0 : 1;
}

/** The names of a list; `nothing` stands for an empty one. */
function namesIn(list: string, nothing: string): string[] {
  return list.split(',').filter((name) => name !== '' && name !== nothing);
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
