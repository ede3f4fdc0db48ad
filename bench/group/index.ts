import { startMariadb, startMysql, startRedis } from '../../test/support/servers';
import { createItems, insertItems } from '../workload';
import { measureCatchUp } from './catch-up';
import { measureCaughtUp } from './caught-up';
import { measureHandlers } from './handlers';
import type { Options, Part } from './options';
import { readOptions, USAGE } from './options';
import type { Finding } from './requirement';
import { isRequirement } from './requirement';
import { Stage } from './stage';
import { measureStandbys } from './standby';
import { measureFreezes, measureTakeovers } from './takeover';

const ITEMS = 20_000;

type Measure = (stage: Stage, options: Options & { readonly items: number }) => Promise<Finding[]>;

const MEASURES: Record<Part, Measure> = {
  'catch-up': measureCatchUp,
  standby: measureStandbys,
  takeover: measureTakeovers,
  freeze: measureFreezes,
  'caught-up': measureCaughtUp,
  handlers: measureHandlers,
};

/** npm run bench -- --group: what a group of processes costs and gains; resolves with the exit code. */
export async function benchGroup(args: readonly string[]): Promise<number> {
  const options = readOptions(args);
  if (!options) {
    console.error(USAGE);
    return 2;
  }
  const [sql, redis] = await Promise.all([
    (options.mariadb ? startMariadb : startMysql)({ fast: true }),
    startRedis(),
  ]);
  try {
    console.log(`${sql.kind} ${sql.version}, Redis ${redis.version}, Node ${process.version}`);
    await createItems(sql);
    await insertItems(sql, ITEMS);
    const stage = await Stage.open(sql, redis);
    const findings: Finding[] = [];
    try {
      for (const part of options.parts) {
        console.log(`Measuring: ${part} …`);
        findings.push(...(await MEASURES[part](stage, { ...options, items: ITEMS })));
      }
    } finally {
      await stage.close();
    }
    return report(findings) || options.reportOnly ? 0 : 1;
  } finally {
    await Promise.all([sql.dispose(), redis.dispose()]);
  }
}

/** Prints a line for each; true where each is what it has to be. */
function report(findings: readonly Finding[]): boolean {
  console.log();
  for (const finding of findings) {
    const { what, measured } = finding;
    if (!isRequirement(finding)) console.log(`         ${what}: ${measured}`);
    else console.log(`${finding.held ? 'held    ' : 'NOT HELD'} ${what}: ${measured}; ${finding.bound}`);
  }
  const missed = findings.filter((finding) => isRequirement(finding) && !finding.held).length;
  console.log(missed === 0 ? '\nEverything holds.' : `\n${missed} of these do not hold.`);
  return missed === 0;
}
