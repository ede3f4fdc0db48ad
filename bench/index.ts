// npm run bench [-- --mariadb] [--rows N] [--only a,b] [--no-latency] [--no-reads]
// npm run bench -- --group …: see group/options.ts
import { fork } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startMariadb, startMysql, startRedis } from '../test/support/servers';
import type { RedisServer } from '../test/support/servers';
import { benchGroup } from './group';
import type { Job } from './job';
import { measureLatency, measureLatencyWithoutBarrier } from './latency';
import { benchReads } from './reads';
import { prepareWorkload } from './workload';

interface Result {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakRssBytes: number;
}

const REDIS_PAUSE_MILLIS = 10_000;
const RUNS = [
  { label: 'hand-written loop (zongji, await del per row)', contender: 'hand-written' },
  { label: 'zongji decode alone, no Redis', contender: 'zongji-decode' },
  { label: 'mysql2 packets alone, no decode (ceiling)', contender: 'packets' },
  { label: 'nestjs-cacheflow, cache-aside', contender: 'cacheflow-cache-aside' },
  { label: 'nestjs-cacheflow, cache-aside, events$ subscribed', contender: 'cacheflow-cache-aside-events' },
  { label: 'nestjs-cacheflow, write-through', contender: 'cacheflow-write-through' },
  {
    label: 'nestjs-cacheflow, cache-aside, Redis paused 10 s',
    contender: 'cacheflow-cache-aside',
    pause: true,
  },
];

async function main(): Promise<void> {
  const args = process.argv.slice(2);
  if (args.includes('--group')) {
    process.exitCode = await benchGroup(args);
    return;
  }
  const { values } = parseArgs({
    options: {
      mariadb: { type: 'boolean' },
      rows: { type: 'string', default: '250000' },
      only: { type: 'string' },
      'no-latency': { type: 'boolean' },
      'no-reads': { type: 'boolean' },
    },
  });
  const [sql, redis] = await Promise.all([
    (values.mariadb ? startMariadb : startMysql)({ fast: true }),
    startRedis(),
  ]);
  try {
    const rows = Number(values.rows);
    console.log(`${sql.kind} ${sql.version}, Redis ${redis.version}, Node ${process.version}`);
    console.log(`Writing ${rows} changes into the binlog …`);
    const { start, inserts, updates } = await prepareWorkload(sql, rows);
    console.log(`${inserts} rows inserted by 1,000-row statements, ${updates} updated one by one\n`);
    const job: Job = { mysql: sql.connectionOptions(), redisPort: redis.port, start, rows };
    const only = values.only?.split(',');
    const table: Record<string, Record<string, string | number>> = {};
    let yardstick: number | undefined;
    for (const run of RUNS.filter(({ contender }) => !only || only.includes(contender))) {
      await redis.command('FLUSHALL');
      const result = await runContender(run.contender, job, run.pause ? redis : undefined);
      const seconds = result.seconds - (run.pause ? REDIS_PAUSE_MILLIS / 1_000 : 0);
      const rate = rows / seconds;
      if (run.contender === 'hand-written') yardstick = rate;
      table[run.label] = {
        'changes/s': Math.round(rate),
        'x hand-written': yardstick ? (rate / yardstick).toFixed(1) : '',
        'CPU s': result.cpuSeconds.toFixed(1),
        'peak RSS MB': Math.round(result.peakRssBytes / 1e6),
      };
      console.log(`${run.label}: ${Math.round(rate)} changes/s`);
    }
    console.log();
    console.table(table);
    if (!values['no-latency']) {
      console.log('\nCommit to invalidated, single updates at 500/s:');
      console.table({
        'without the barrier': await measureLatencyWithoutBarrier(sql, redis),
        'nestjs-cacheflow': await measureLatency(sql, redis),
      });
    }
    if (!values['no-reads'] && !(await benchReads(sql, redis))) process.exitCode = 1;
  } finally {
    await Promise.all([sql.dispose(), redis.dispose()]);
  }
}

/** Runs a contender in its own process; with a Redis to pause, holds it for a while when half is done. */
async function runContender(name: string, job: Job, pause: RedisServer | undefined): Promise<Result> {
  return new Promise((resolve, reject) => {
    const child = fork(join(__dirname, 'contender.js'), [name, JSON.stringify(job)], { execArgv: [] });
    let result: Result | undefined;
    child.on('message', (message: Result | { half: true }) => {
      if (!('half' in message)) result = message;
      else if (pause) {
        pause.pause();
        setTimeout(() => pause.resume(), REDIS_PAUSE_MILLIS);
      }
    });
    child.on('error', reject);
    child.on('exit', (code) =>
      result ? resolve(result) : reject(new Error(`${name} ended with code ${code}`)),
    );
  });
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
