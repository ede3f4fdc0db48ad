import type { ChaosResult } from './run';

const SHOWN = 5;

/** Whether nothing went wrong. */
export function isClean({ lost, surplus, stale, problems }: ChaosResult): boolean {
  return lost === 0 && surplus === 0 && stale.length === 0 && problems.length === 0;
}

/** One table for a run, and the first findings below it. */
export function formatResult(result: ChaosResult): string {
  const total = Object.values(result.faults).reduce((sum, count) => sum + count, 0);
  const rows: [string, string | number][] = [
    ['server', result.server],
    ['seed', result.seed],
    ['seconds', result.seconds],
    ['faults', total],
    ...Object.entries(result.faults)
      .sort()
      .map(([kind, count]): [string, number] => [`  ${kind}`, count]),
    ['row changes', result.changes],
    ['transactions', result.transactions],
    ['rolled back', result.rollbacks],
    ['truncations', result.truncations],
    ['reads', result.reads],
    ['fills', result.fills],
    ['fills refused', result.refused],
    ['keys compared', result.compared],
    ['lost', result.lost],
    ['stale', result.stale.length],
  ];
  if (result.surplus > 0) rows.push(['events of nothing', result.surplus]);
  if (result.problems.length > 0) rows.push(['problems', result.problems.length]);
  const widths = [0, 1].map((at) => Math.max(...rows.map((row) => String(row[at]).length)));
  const rule = `+${widths.map((width) => '-'.repeat(width + 2)).join('+')}+`;
  const lines = rows.map(([name, value]) => {
    const text = typeof value === 'number' ? value.toLocaleString('en') : value;
    return `| ${name.padEnd(widths[0] ?? 0)} | ${text.padStart(widths[1] ?? 0)} |`;
  });
  return [rule, ...lines, rule, ...findingLines(result)].join('\n');
}

function findingLines({ stale, problems, errors }: ChaosResult): string[] {
  const told = Object.entries(errors).map(([code, count]) => `${code} ${count}`);
  return [
    ...(told.length > 0 ? [`errors of the app: ${told.join(', ')}`] : []),
    ...problems.map((problem) => `problem: ${problem}`),
    ...stale
      .slice(0, SHOWN)
      .flatMap(({ key, cached, row, history }) => [
        `stale: ${key}`,
        `  cached ${cached}`,
        `  row    ${row ?? 'none'}`,
        ...history.map((line) => `  ${line}`),
      ]),
  ];
}
