import { describe, expect, it } from 'vitest';
import { faultNames } from './chaos/faults';
import { formatResult } from './chaos/report';
import { runChaos } from './chaos/run';
import type { WriteName } from './chaos/writes';
import { writeNames, writesOn } from './chaos/writes';
import type { WriteCounts } from './chaos/writes/write-counts';

// The short form of `npm run chaos`: promises 1, 2 and 3 under load, with servers, links and the app failing.

const SECONDS = 23;
/** One that begins with the faults that have most to break: Redis, app and source killed, Redis taken back in time. */
const SEED = 2260;
/** What each kind of writer has to have done. */
const COUNTS: Readonly<Record<WriteName, readonly (keyof WriteCounts)[]>> = {
  rollback: ['rolledBackGroups'],
  savepoint: ['savepointGroups'],
  large: ['largeGroups'],
  xa: ['xaCommits', 'xaRollbacks'],
  charset: ['charsetGroups', 'charsetDdls'],
  sequence: ['sequenceCalls'],
  loose: ['looseGroups'],
  hot: ['hotGroups'],
};

describe.each(['mysql', 'mariadb'] as const)('chaos on %s', (server) => {
  it('loses no change and leaves no stale key', { timeout: 240_000 }, async () => {
    const lines: string[] = [];
    const result = await runChaos({
      server,
      seconds: SECONDS,
      seed: SEED,
      writers: 4,
      faults: faultNames('single'),
      truncate: true,
      writes: writeNames(),
      log: (line) => lines.push(line),
    });
    const told = `${lines.join('\n')}\n${formatResult(result)}`;
    expect(result.problems, told).toEqual([]);
    expect({ lost: result.lost, phantom: result.phantom }, told).toEqual({ lost: 0, phantom: 0 });
    expect(result.stale.length, told).toBe(0);
    expect(result.outOfOrder.length, told).toBe(0);
    // That it was a trial at all, on a machine however busy.
    expect(Object.values(result.faults).reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(5);
    expect(result.changes).toBeGreaterThan(3_000);
    expect(result.fills).toBeGreaterThan(50);
    expect(result.compared).toBeGreaterThan(100);
    for (const count of writesOn(server, writeNames()).flatMap((name) => COUNTS[name]))
      expect({ [count]: result.writes[count] > 0 }, told).toEqual({ [count]: true });
  });
});
