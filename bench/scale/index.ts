// npm run scale: what one leader carries, what it runs out of first, and what a target rate takes; see options.ts.
import { createConnection } from 'mysql2/promise';
import type { SqlServer } from '../../test/support/servers';
import { startMariadb, startMysql, startRedis, startRedisCluster } from '../../test/support/servers';
import { Stage } from '../group/stage';
import { createItems, freshBinlog, insertItems, updateItems } from '../workload';
import type { Cost, Workload } from './measure';
import { measureCost } from './measure';
import type { Options } from './options';
import { readOptions, ROWS_PER_STATEMENT, USAGE } from './options';
import { perCore, planFor } from './plan';
import { secondsToCatchUp, simulate } from './simulate';

const LOADS = [0.1, 0.5, 0.8, 0.9, 0.95];
const OUTAGE_SECONDS = 60;

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  if (!options) {
    console.error(USAGE);
    return 2;
  }
  const costs = await measure(options);
  printCosts(costs);
  printPlans(costs, options);
  printSimulation(costs[0]!, options);
  return 0;
}

async function measure({ mariadb, rows }: Options): Promise<Cost[]> {
  const [sql, redis, cluster] = await Promise.all([
    (mariadb ? startMariadb : startMysql)({ fast: true }),
    startRedis(),
    startRedisCluster(),
  ]);
  try {
    console.log(`${sql.kind} ${sql.version}, Redis ${redis.version}, Node ${process.version}`);
    await createItems(sql);
    await insertItems(sql, rows);
    const stage = await Stage.open(sql, redis);
    const costs: Cost[] = [];
    try {
      const writeThrough = { tables: [{ db: 'bench', table: 'items', strategy: 'write-through' }] } as const;
      const single: Workload[] = [
        { label: 'cache-aside', options: {} },
        { label: 'cache-aside, Redis Cluster of 3 masters', options: {}, cluster: cluster.nodes },
        { label: 'cache-aside, a handler', options: {}, hasHandler: true },
        { label: 'write-through', options: { tables: [...writeThrough.tables] } },
      ];
      console.log(`Writing ${rows} single-row transactions …`);
      const start = await freshBinlog(sql);
      await updateItems(sql, rows, rows);
      const bytes = await binlogBytes(sql, start.file);
      for (const workload of single) {
        costs.push(await measureCost(stage, workload, { rows, bytes, startAt: start }));
        console.log(`${workload.label}: measured`);
      }
      const startOfMany = await freshBinlog(sql);
      await updateByStatements(sql, rows);
      costs.push(
        await measureCost(
          stage,
          { label: `cache-aside, transactions of ${ROWS_PER_STATEMENT} rows`, options: {} },
          { rows, bytes: await binlogBytes(sql, startOfMany.file), startAt: startOfMany },
        ),
      );
    } finally {
      await stage.close();
    }
    return costs;
  } finally {
    await Promise.all([sql.dispose(), redis.dispose(), cluster.dispose()]);
  }
}

function printCosts(costs: readonly Cost[]): void {
  console.log(
    '\nOne leader, and the processor time that a change takes; single-row transactions unless told:',
  );
  console.table(
    Object.fromEntries(
      costs.map((cost) => [
        cost.label,
        {
          'changes/s here': Math.round(cost.perSecond),
          'changes/s of a core': Math.round(perCore(cost)),
          'leader µs': cost.leader.toFixed(1),
          'Redis µs': cost.redis.toFixed(1),
          'source µs': cost.source.toFixed(1),
          'binlog bytes': Math.round(cost.bytes),
        },
      ]),
    ),
  );
}

function printPlans(costs: readonly Cost[], options: Options): void {
  const { target, headroom, price } = options;
  console.log(
    `\n${target.toLocaleString('en-US')} changes/s, ${headroom * 100} % of each core free, $${price} for a core and hour:`,
  );
  console.table(
    Object.fromEntries(
      costs.map((cost) => {
        const plan = planFor(cost, options);
        return [
          cost.label,
          {
            'groups (sources)': plan.leaders,
            'Redis masters': plan.redisMasters,
            'source cores': plan.sourceCores.toFixed(1),
            'binlog MB/s': Math.round(plan.binlogMegabytes),
            '$/hour': plan.dollarsPerHour.toFixed(2),
            'saturates first': plan.saturatesFirst,
          },
        ];
      }),
    ),
  );
}

function printSimulation(cost: Cost, { latencyMillis }: Options): void {
  const perSecond = perCore(cost);
  const millisPerChange = 1_000 / perSecond;
  const fixedMillis = Math.max(0, latencyMillis - millisPerChange);
  console.log(`\nSimulated: how long a change waits at one leader (${cost.label}):`);
  console.table(
    LOADS.map((load) => {
      const { p50, p99, meanBatch } = simulate(load, { fixedMillis, millisPerChange });
      return {
        'load %': load * 100,
        'changes/s': Math.round(load * perSecond),
        'p50 ms': p50.toFixed(2),
        'p99 ms': p99.toFixed(2),
        'rows of a batch': meanBatch.toFixed(1),
        [`s to catch up after ${OUTAGE_SECONDS} s`]: secondsToCatchUp(OUTAGE_SECONDS, load).toFixed(0),
      };
    }),
  );
}

async function updateByStatements(sql: SqlServer, rows: number): Promise<void> {
  const connection = await createConnection(sql.connectionOptions());
  for (let first = 0; first < rows; first += ROWS_PER_STATEMENT) {
    await connection.query('UPDATE bench.items SET price = price + 1 WHERE id >= ? AND id < ?', [
      first,
      first + ROWS_PER_STATEMENT,
    ]);
  }
  await connection.end();
}

async function binlogBytes(sql: SqlServer, file: string): Promise<number> {
  const files = await sql.query<{ Log_name: string; File_size: number | string }>('SHOW BINARY LOGS');
  const from = files.findIndex((each) => each.Log_name === file);
  return files.slice(from).reduce((sum, each) => sum + Number(each.File_size), 0);
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
