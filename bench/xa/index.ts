// npm run bench:xa [-- --minutes 5] [--rate 200] [--mariadb]
import { parseArgs } from 'node:util';
import { startMariadb, startMysql, startRedis } from '../../test/support/servers';
import type { Phase } from './phases';
import { measurePhases } from './phases';

/** How many percentage points of hits XA on one table may cost another one. */
const MOST_LOST = 0.1;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      mariadb: { type: 'boolean' },
      minutes: { type: 'string', default: '5' },
      rate: { type: 'string', default: '200' },
    },
  });
  const [sql, redis] = await Promise.all([(values.mariadb ? startMariadb : startMysql)(), startRedis()]);
  try {
    const minutes = Number(values.minutes);
    const rate = Number(values.rate);
    console.log(`${sql.kind} ${sql.version}, Redis ${redis.version}, Node ${process.version}`);
    console.log(
      `XA transactions on one table, ${rate} a second for ${minutes} minutes; reads of another one …`,
    );
    const { without, during } = await measurePhases(sql, redis, { seconds: minutes * 60, rate });
    console.table({ 'without XA': shown(without), 'with XA': shown(during) });
    return without.hitRate - during.hitRate <= MOST_LOST && during.flushed === 0 && during.errors === 0
      ? 0
      : 1;
  } finally {
    await Promise.all([sql.dispose(), redis.dispose()]);
  }
}

function shown(phase: Phase): Record<string, string | number> {
  return {
    'hit rate of the other table': `${phase.hitRate.toFixed(3)} %`,
    'reads/s': Math.round(phase.reads / phase.seconds),
    'XA committed/s': Math.round(phase.committed / phase.seconds),
    'XA rolled back/s': Math.round(phase.rolledBack / phase.seconds),
    'rows told of': phase.events,
    'keys flushed': phase.flushed,
    'errors reported': phase.errors,
  };
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  },
);
