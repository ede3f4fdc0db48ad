// npm run bench:races: what four ways to keep a cache leave stale, under one load; the options stand in options.ts.
import { startMariadb, startMysql, startRedis } from '../../test/support/servers';
import type { SqlServer } from '../../test/support/servers';
import type { Options } from './options';
import { readOptions, USAGE } from './options';
import type { Row } from './report';
import { describeLoad, toMarkdown, toRow } from './report';
import { runWay } from './run-way';
import { ways } from './ways';
import { cacheflow } from './ways/cacheflow';

/** What each way runs before it is measured: its code is compiled then, and the server has seen its statements. */
const WARM_UP = { reads: 20_000, writes: 1_000, keys: 400, hotKeys: 8 };

async function main(): Promise<number> {
  const options = readOptions();
  const unknown = options?.only.filter((name) => !ways.some((way) => way.name === name));
  if (!options || unknown!.length > 0) {
    console.error(`${USAGE}\n\nThe ways: ${ways.map(({ name }) => name).join(', ')}`);
    return 2;
  }
  let clean = true;
  for (const kind of options.servers) clean = (await raceOn(kind, options)) && clean;
  console.log(describeLoad(options.shape));
  return clean ? 0 : 1;
}

/** All ways on one server; false when this library has left a stale key. */
async function raceOn(kind: SqlServer['kind'], { only, shape }: Options): Promise<boolean> {
  const [sql, redis] = await Promise.all([kind === 'mysql' ? startMysql() : startMariadb(), startRedis()]);
  try {
    const title = `${sql.kind} ${sql.version}, Redis ${redis.version}, Node ${process.version}`;
    console.log(title);
    const rows: Row[] = [];
    let clean = true;
    for (const way of ways.filter(({ name }) => only.length === 0 || only.includes(name))) {
      await runWay(way, { ...shape, ...WARM_UP }, sql, redis);
      const result = await runWay(way, shape, sql, redis);
      rows.push(toRow(result, shape));
      if (way === cacheflow) clean = result.stale === 0;
      console.log(`${way.label}: ${result.stale} stale keys, ${result.seconds.toFixed(0)} s`);
    }
    console.log(`\n${title}\n\n${toMarkdown(rows)}\n`);
    return clean;
  } finally {
    await Promise.all([sql.dispose(), redis.dispose()]);
  }
}

// The servers are kept by a process that ends them once this one is gone, however it goes.
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
