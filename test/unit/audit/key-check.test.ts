import { describe, expect, it } from 'vitest';
import type { CheckResult, CheckSource } from '../../../lib/audit/key-check';
import { KeyCheck } from '../../../lib/audit/key-check';
import { WatchedKeys } from '../../../lib/strategy/watched-keys';

const TABLE = { schema: 'shop', table: 'items' };
const KEY = 'shop:items:1';

/** A source, a tail and a cache of one key, in which things happen between the steps of a check. */
class World implements CheckSource {
  readonly watched = new WatchedKeys();
  row = 'A';
  cached: string | null = 'A';
  /** What is committed and not applied; `planned` is past the point where the tail touches the key. */
  private log: { value: string; planned: boolean }[] = [];
  private steps = new Map<string, () => void>();
  private counts = new Map<string, number>();

  commit(value: string): void {
    this.row = value;
    this.log.push({ value, planned: false });
  }

  /** The tail has decided what to do, and has not done it. */
  plan(): void {
    for (const change of this.log) {
      if (!change.planned) this.watched.touch(KEY);
      change.planned = true;
    }
  }

  apply(): void {
    this.plan();
    for (const { value } of this.log.splice(0)) this.cached = value;
  }

  /** Happens right before the n-th question of this kind. */
  before(step: 'values' | 'rows' | 'caughtUp', nth: number, happens: () => void): void {
    this.steps.set(`${step} ${nth}`, happens);
  }

  private enter(step: string): void {
    const nth = (this.counts.get(step) ?? 0) + 1;
    this.counts.set(step, nth);
    this.steps.get(`${step} ${nth}`)?.();
    this.steps.get(`${step} 0`)?.();
  }

  async values(): Promise<(string | null)[]> {
    this.enter('values');
    return [this.cached];
  }

  async rows(): ReturnType<CheckSource['rows']> {
    this.enter('rows');
    return new Map([[KEY, { rows: [{ row: { value: this.row }, asRead: undefined }], isAll: true }]]);
  }

  async caughtUp(): Promise<void> {
    this.enter('caughtUp');
    this.apply();
  }

  verdictOn(...[, text, found]: Parameters<CheckSource['verdictOn']>): ReturnType<CheckSource['verdictOn']> {
    return text === null || found.rows[0]?.row['value'] === text ? 'right' : 'wrong';
  }

  async check(): Promise<CheckResult | undefined> {
    const check = new KeyCheck(this, this.watched, TABLE, new AbortController().signal);
    return (await check.run([{ key: KEY, row: undefined }])).get(KEY);
  }
}

/** A world in which the key looks wrong at first sight, because of a change that the tail is about to write. */
function suspicious(): World {
  const world = new World();
  world.commit('B');
  world.apply();
  world.commit('A');
  world.plan();
  return world;
}

describe('a check of a key', () => {
  it('is over at the first look where the value is right', async () => {
    const world = new World();
    world.before('caughtUp', 1, () => expect.fail('nothing has to be confirmed'));
    expect(await world.check()).toBe('right');
  });

  it('finds a value that is wrong while nothing happens', async () => {
    const world = new World();
    world.cached = 'B';
    expect(await world.check()).toBe('wrong');
  });

  it('forgives what the tail was about to make right', async () => {
    const world = new World();
    world.commit('B');
    expect(await world.check()).toBe('right');
  });

  it('waits for what was under way before it began to look', async () => {
    const world = new World();
    world.commit('B');
    // The key was touched, as far as the tail is concerned; Redis does not have it yet.
    world.plan();
    expect(await world.check()).toBe('right');
  });

  it('notices that the tail touched the key, also where the row is again what it was', async () => {
    const world = suspicious();
    world.before('values', 2, () => {
      world.commit('B');
      world.apply();
      world.commit('A');
    });
    expect(await world.check()).toBe('right');
  });

  it('waits until the tail has touched what a reader filled with a row that came and went', async () => {
    const world = suspicious();
    world.before('values', 2, () => {
      world.commit('B');
      world.cached = 'B';
      world.commit('A');
    });
    expect(await world.check()).toBe('right');
  });

  it.each([
    ['before the value was read', 'values', 2],
    ['after the value was read', 'rows', 3],
  ] as const)('notices that the row was changed past the binlog, %s', async (_when, step, nth) => {
    const world = suspicious();
    world.before(step, nth, () => {
      world.row = 'C';
      world.cached = 'C';
    });
    expect(await world.check()).toBe('right');
  });

  it('is undecided where the key never comes to rest', async () => {
    const world = new World();
    world.cached = 'X';
    world.before('values', 0, () => {
      world.watched.touch(KEY);
      world.cached = 'X';
    });
    expect(await world.check()).toBe('undecided');
  });
});

describe('watched keys', () => {
  it('are touched one by one and by table, in any case of letters', () => {
    const watched = new WatchedKeys();
    const [a, b] = [watched.watch('a', TABLE), watched.watch('b', { schema: 'shop', table: 'Others' })];
    watched.touch('c');
    watched.touchTable('elsewhere', undefined);
    expect([a.isTouched, b.isTouched]).toEqual([false, false]);
    watched.touch('a');
    expect([a.isTouched, b.isTouched]).toEqual([true, false]);
    watched.touchTable('SHOP', 'others');
    expect(b.isTouched).toBe(true);
  });

  it.each([
    ['of the database', 'shop', undefined],
    ['of everything', undefined, undefined],
  ])('are touched by a flush %s', (_of, schema, table) => {
    const watched = new WatchedKeys();
    const watch = watched.watch('a', TABLE);
    watched.touchTable(schema, table);
    expect(watch.isTouched).toBe(true);
  });

  it('are forgotten when nobody looks any more, each by itself', () => {
    const watched = new WatchedKeys();
    const [first, second] = [watched.watch('a', TABLE), watched.watch('a', TABLE)];
    first.end();
    watched.touch('a');
    expect([first.isTouched, second.isTouched]).toEqual([false, true]);
    second.end();
    watched.touch('a');
  });
});
