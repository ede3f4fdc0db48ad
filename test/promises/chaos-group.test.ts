import { describe, expect, it } from 'vitest';
import { formatResult } from './chaos/report';
import { runChaos } from './chaos/run';
import { writeNames } from './chaos/writes';

// The short form of `npm run chaos -- --processes 3`: no change is lost, told out of order or left in the cache when the
// leader of a group goes, wakes up again, or finds itself on another source.

const PROCESSES = 3;
const SECONDS = 4;

describe.each([
  ['mysql', ['leader-freeze', 'failover']],
  ['mariadb', ['leader-kill', 'lock-cut']],
] as const)('chaos with a group on %s', (server, faults) => {
  it(`survives ${faults.join(' and ')}`, { timeout: 240_000 }, async () => {
    const lines: string[] = [];
    const result = await runChaos({
      server,
      processes: PROCESSES,
      seconds: SECONDS,
      each: true,
      seed: 11,
      writers: 4,
      faults,
      truncate: true,
      writes: writeNames(PROCESSES),
      log: (line) => lines.push(line),
    });
    const told = `${lines.join('\n')}\n${formatResult(result)}`;
    const { lost, phantom, stale, outOfOrder, problems } = result;
    expect({ lost, phantom, stale: stale.length, outOfOrder: outOfOrder.length, problems }, told).toEqual({
      lost: 0,
      phantom: 0,
      stale: 0,
      outOfOrder: 0,
      problems: [],
    });
    // That it was a trial at all, on a machine however busy.
    expect(Object.keys(result.faults).sort()).toEqual([...faults].sort());
    expect(result.changes).toBeGreaterThan(500);
    expect(result.writes.hotGroups).toBeGreaterThan(5);
    expect(result.fills).toBeGreaterThan(50);
    expect(result.compared).toBeGreaterThan(100);
  });
});
