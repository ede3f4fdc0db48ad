import { describe, expect, it } from 'vitest';
import { FAULTS } from './chaos/faults';
import { formatResult } from './chaos/report';
import { runChaos } from './chaos/run';

// The short form of `npm run chaos`: promises 1, 2 and 3 under load, with servers, links and the app failing.

const SECONDS = 25;
/** One that begins with the faults that have most to break: Redis, app and source killed, Redis taken back in time. */
const SEED = 2260;

describe.each(['mysql', 'mariadb'] as const)('chaos on %s', (server) => {
  it('loses no change and leaves no stale key', { timeout: 240_000 }, async () => {
    const lines: string[] = [];
    const result = await runChaos({
      server,
      seconds: SECONDS,
      seed: SEED,
      writers: 4,
      faults: Object.keys(FAULTS),
      truncate: true,
      log: (line) => lines.push(line),
    });
    const told = `${lines.join('\n')}\n${formatResult(result)}`;
    expect(result.problems, told).toEqual([]);
    expect({ lost: result.lost, surplus: result.surplus }, told).toEqual({ lost: 0, surplus: 0 });
    expect(result.stale.length, told).toBe(0);
    // That it was a trial at all, on a machine however busy.
    expect(Object.values(result.faults).reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(6);
    expect(result.changes).toBeGreaterThan(3_000);
    expect(result.fills).toBeGreaterThan(50);
    expect(result.compared).toBeGreaterThan(100);
  });
});
