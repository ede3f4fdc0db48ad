import type { ChaosResult } from './run';
import type { WriteCounts } from './writes/write-counts';

const SHOWN = 5;

/** What the writers did, as it is called in the table. */
const WRITES: Readonly<Record<Exclude<keyof WriteCounts, 'rows'>, string>> = {
  transactions: 'transactions',
  rollbacks: 'rolled back',
  truncations: 'truncations',
  rolledBackGroups: 'groups rolled back after a temporary table',
  savepointGroups: 'groups with savepoints',
  largeGroups: 'large groups',
  xaCommits: 'XA commits',
  xaRollbacks: 'XA rollbacks',
  xaLeftBehind: 'XA finished after a restart',
  charsetGroups: 'groups in other character sets',
  charsetDdls: 'DDL in other character sets',
  sequenceCalls: 'sequence calls',
  looseGroups: 'groups with MyISAM or Aria',
  hotGroups: 'groups of hot rows',
};

/** Whether nothing went wrong. */
export function isClean({ lost, phantom, stale, outOfOrder, problems }: ChaosResult): boolean {
  return lost + phantom + stale.length + outOfOrder.length + problems.length === 0;
}

/** One table for a run, and the first findings below it. */
export function formatResult(result: ChaosResult): string {
  const total = Object.values(result.faults).reduce((sum, count) => sum + count, 0);
  const rows: [string, string | number][] = [
    ['server', result.server],
    ['Redis', result.redis],
    ...(result.processes > 1 ? ([['processes', result.processes]] as [string, number][]) : []),
    ...(result.distribute ? ([['handlers', 'distributed']] as [string, string][]) : []),
    ['seed', result.seed],
    ['seconds', result.seconds],
    ['faults', total],
    ...Object.entries(result.faults)
      .sort()
      .map(([kind, count]): [string, number] => [`  ${kind}`, count]),
    ['row changes', result.changes],
    ['handler calls', result.told],
    ['of these duplicates', result.duplicates],
    ...Object.entries(WRITES)
      .map(([name, label]): [string, number] => [label, result.writes[name as keyof typeof WRITES]])
      .filter(([, count]) => count > 0),
    ['reads', result.reads],
    ['fills', result.fills],
    ['fills refused', result.refused],
    ['keys compared', result.compared],
    ['lost', result.lost],
    ['phantom', result.phantom],
    ['stale', result.stale.length],
    ['out of order', result.outOfOrder.length],
  ];
  if (result.problems.length > 0) rows.push(['problems', result.problems.length]);
  const widths = [0, 1].map((at) => Math.max(...rows.map((row) => String(row[at]).length)));
  const rule = `+${widths.map((width) => '-'.repeat(width + 2)).join('+')}+`;
  const lines = rows.map(([name, value]) => {
    const text = typeof value === 'number' ? value.toLocaleString('en') : value;
    return `| ${name.padEnd(widths[0] ?? 0)} | ${text.padStart(widths[1] ?? 0)} |`;
  });
  return [rule, ...lines, rule, ...findingLines(result)].join('\n');
}

function findingLines(result: ChaosResult): string[] {
  const { stale, outOfOrder, problems, errors, lostOf, phantomOf, phantomValues } = result;
  return [
    ...countsLine('errors of the app', errors),
    ...countsLine('lost, by writer', lostOf),
    ...countsLine('phantom events, by writer', phantomOf),
    ...(phantomValues > 0 ? [`phantom values in the cache: ${phantomValues}`] : []),
    ...problems.map((problem) => `problem: ${problem}`),
    ...stale
      .slice(0, SHOWN)
      .flatMap(({ key, cached, row, isPhantom, history }) => [
        `${isPhantom ? 'stale and phantom' : 'stale'}: ${key}`,
        `  cached ${cached}`,
        `  row    ${row ?? 'none'}`,
        ...history.map((line) => `  ${line}`),
      ]),
    ...outOfOrder
      .slice(0, SHOWN)
      .flatMap(({ row, calls }) => [`out of order: ${row}`, ...calls.map((line) => `  ${line}`)]),
  ];
}

function countsLine(title: string, counts: Readonly<Record<string, number>>): string[] {
  const parts = Object.entries(counts).map(([name, count]) => `${name} ${count}`);
  return parts.length > 0 ? [`${title}: ${parts.join(', ')}`] : [];
}
