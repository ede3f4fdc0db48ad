import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { App } from './chaos/app';
import { Load } from './chaos/load';
import { Random } from './chaos/random';
import { formatResult } from './chaos/report';
import { runChaos } from './chaos/run';
import { catchUp } from './chaos/settle';
import { Verifier } from './chaos/verifier';
import { World } from './chaos/world';

// Promise 2 and 5 under the load of the chaos run, without its faults or with one of them: readers that race the
// writers, commits that hang between the binlog and the table, two tails at once, a stream that is applied again.

const SECONDS = 10;
const WRITERS = 4;
const CATCH_UP_MILLIS = 60_000;
const CHECKPOINT = 'cacheflow:chaos:checkpoint';

describe.each(['mysql', 'mariadb'] as const)('races on %s', (server) => {
  it.each([
    ['readers that race the writers', []],
    ['commits that hang between the binlog and the table', ['semi-sync']],
  ])('leave no stale key: %s', { timeout: 120_000 }, async (_title, faults) => {
    const result = await runChaos({
      server,
      seconds: SECONDS,
      seed: 11,
      writers: WRITERS,
      faults,
      truncate: true,
      log: () => undefined,
    });
    expect(result.stale.length, formatResult(result)).toBe(0);
    expect({ lost: result.lost, surplus: result.surplus, problems: result.problems }).toEqual({
      lost: 0,
      surplus: 0,
      problems: [],
    });
    expect(result.fills).toBeGreaterThan(50);
    expect(result.compared).toBeGreaterThan(100);
  });

  describe('write-through', () => {
    const random = new Random(5);
    let world: World;
    let load: Load;
    let verifier: Verifier;

    beforeEach(async () => {
      world = await World.open(server, { rabbit: false });
      load = new Load(world, { random, writers: WRITERS, truncate: false });
      verifier = new Verifier(world);
    });
    afterEach(async () => {
      await load?.stop();
      await world?.dispose();
    });

    /** Stops the load; everything is applied then by this app. */
    async function quiet(app: App): Promise<void> {
      await load.writers.pause();
      await catchUp(app, CATCH_UP_MILLIS, () => world.parked());
      await load.readers.pause();
    }

    /** Compares the whole cache again and again until the work is done: nothing older may show up in between. */
    async function checkDuring(work: Promise<void>): Promise<void> {
      let done = false;
      const end = work.finally(() => {
        done = true;
      });
      // Awaited below, after the last check.
      end.catch(() => undefined);
      do await verifier.checkCache();
      while (!done);
      await end;
    }

    /** The first few, since one mistake makes hundreds. */
    function stale(): string[] {
      return verifier.stale
        .slice(0, 5)
        .map(({ key, cached, row }) => `${key}: ${cached} instead of ${row ?? 'nothing'}`);
    }

    it('never shows an older value when a second tail comes from behind', { timeout: 120_000 }, async () => {
      const both = { election: 'none' } as const;
      const [leader, follower] = [
        await world.app('leader', false, both),
        await world.app('follower', false, both),
      ];
      await Promise.all([leader.start(), follower.start()]);
      await Promise.all([leader.caughtUp(CATCH_UP_MILLIS), follower.caughtUp(CATCH_UP_MILLIS)]);
      load.start();
      await sleep(1_000);
      follower.pause();
      await sleep(8_000);
      await quiet(leader);
      await verifier.checkCache();
      expect(stale()).toEqual([]);

      follower.resume();
      await checkDuring(sleep(random.int(50, 1_000)));
      await follower.kill();
      await checkDuring(
        follower.start().then(() => catchUp(follower, CATCH_UP_MILLIS, () => world.parked())),
      );
      await verifier.checkCache();
      expect(stale()).toEqual([]);
      expect(verifier.compared).toBeGreaterThan(100);
    });

    it('stays the same when a part of the stream is applied again', { timeout: 120_000 }, async () => {
      const app = await world.app();
      await app.start();
      await app.caughtUp(CATCH_UP_MILLIS);
      load.start();
      await sleep(2_000);
      const redis = world.redis.connect();
      onTestFinished(() => redis.disconnect());
      const checkpoint = await redis.get(CHECKPOINT);
      await sleep(4_000);
      await quiet(app);
      const before = await written();
      expect(before.size).toBeGreaterThan(100);

      await app.kill();
      await redis.set(CHECKPOINT, checkpoint ?? '');
      await checkDuring(app.start().then(() => catchUp(app, CATCH_UP_MILLIS, () => world.parked())));
      await verifier.checkCache();
      expect(stale()).toEqual([]);
      const after = await written();
      expect([...after].filter(([key, value]) => before.get(key) !== value).slice(0, 5)).toEqual([]);
      expect(after.size).toBe(before.size);
    });

    /** What write-through has put into the cache; that there is no row, readers have. */
    async function written(): Promise<Map<string, string>> {
      const cache = await verifier.cache();
      const tables = /^chaos:(products|orders|session_[ab]):/;
      return new Map([...cache].filter(([key, value]) => tables.test(key) && value !== 'null').sort());
    }
  });
});
