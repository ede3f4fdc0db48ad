import { NestFactory } from '@nestjs/core';
import { afterEach, expect, it } from 'vitest';
import { CacheStrategy, CacheflowModule, CacheflowService, tag } from '../../../lib';
import type { CacheTag, DependencyChange, TableOptions } from '../../../lib';
import type { TestApp } from '../../support/app';
import { MemoryLogger, codesOf } from '../../support/app';
import { CHECKPOINT, untilSaved } from '../../support/checkpoint';
import { describeEachSql } from '../../support/each-sql';
import { faultLines, refusedBoot } from '../../support/refused-boot';
import { waitFor } from '../../support/wait-for';
import { itOnOneServer } from '../../support/redis/on-one-server';

// What depends on more than one row: keys that `invalidates` names, and values that depend on tags.

const schema = `
  CREATE DATABASE shop;
  CREATE TABLE shop.orders (id INT PRIMARY KEY, user_id INT, org_id INT, note TEXT);
  CREATE TABLE shop.notes (id INT PRIMARY KEY, n INT);`;

type Order = { id: number; user_id: number; org_id: number; note: string | null };

const orders: TableOptions = {
  db: 'shop',
  table: 'orders',
  match: ['user:*:orders', tag('org', '*')],
  invalidates: (change: DependencyChange<Order>) => [
    'user:' + change.after.user_id + ':orders',
    tag('org', change.after.org_id),
  ],
};
const tables = [orders];

/** A promise that somebody else resolves. */
class Door {
  open!: () => void;
  readonly opened = new Promise<void>((resolve) => {
    this.open = resolve;
  });
}

/** Reads through the cache, and counts what was loaded. */
class Reader {
  loads = 0;
  constructor(
    private readonly app: TestApp,
    readonly key: string,
    readonly dependsOn: CacheTag[] = [],
  ) {}

  /** The number of the load that the value is of. */
  async read(): Promise<number> {
    return this.app.cacheflow.getOrLoad(this.key, async () => ++this.loads, { dependsOn: this.dependsOn });
  }

  /** Whether the value is still served; caches it anew otherwise. */
  async isCached(): Promise<boolean> {
    const before = this.loads;
    await this.read();
    return this.loads === before;
  }
}

describeEachSql('invalidates', { schema }, (stage) => {
  // Before the apps are closed.
  afterEach(async () => {
    await stage.sql.query('DELETE FROM shop.orders');
  });

  /** Which of some readers lost their value, which all had before. */
  async function lost(app: TestApp, readers: readonly Reader[], change: string): Promise<string[]> {
    for (const reader of readers) await reader.read();
    for (const reader of readers) expect(await reader.isCached(), reader.key).toBe(true);
    await stage.sql.query(change);
    await app.cacheflow.caughtUp();
    const gone: string[] = [];
    for (const reader of readers) if (!(await reader.isCached())) gone.push(reader.key);
    return gone;
  }

  it('tells of a column that there is not, and of a key that no `match` covers', async () => {
    const app = await stage.app({
      tables: [
        {
          db: 'shop',
          table: 'orders',
          invalidates: ({ after }) => `user:${String(after['userId'])}`,
          match: 'user:*',
        },
        {
          db: 'shop',
          table: 'notes',
          invalidates: () => ['note:1', 'user:1'],
          match: ['note:?', 'note:[a-c]*'],
        },
      ],
    });
    await stage.redis.mset('user:1', 'cached', 'user:2', 'cached', 'shop:orders:1', 'cached');
    await stage.sql.query("REPLACE INTO shop.orders VALUES (1, 1, 10, 'a')");
    await app.cacheflow.caughtUp();
    // Nobody knows which one was meant.
    expect(await stage.redis.mget('user:1', 'user:2', 'shop:orders:1')).toEqual([null, null, null]);
    expect(app.errors.map(({ message }) => message)).toEqual([
      expect.stringContaining('`invalidates` failed (there is no column `userId`)'),
    ]);
    await stage.redis.set('user:1', 'cached');
    await stage.sql.query('REPLACE INTO shop.notes VALUES (11, 1); REPLACE INTO shop.notes VALUES (12, 2)');
    await app.cacheflow.caughtUp();
    expect(await stage.redis.exists('user:1')).toBe(0);
    expect(app.errors.slice(1).map(({ message }) => message)).toEqual([
      expect.stringContaining('no pattern of `match` covers'),
    ]);
  });

  it('leaves the version of a key that another table writes', async () => {
    const app = await stage.app({
      tables: [
        { db: 'shop', table: 'notes', strategy: CacheStrategy.WriteThrough },
        { db: 'shop', table: 'orders', invalidates: () => ['shop:notes:1'], match: 'shop:notes:*' },
      ],
    });
    await stage.sql.query('REPLACE INTO shop.notes VALUES (1, 1)');
    await app.cacheflow.caughtUp();
    const before = await stage.redis.get('cf:{shop:notes:1}');
    await stage.sql.query("REPLACE INTO shop.orders VALUES (1, 1, 10, 'a')");
    await app.cacheflow.caughtUp();
    expect(await stage.redis.exists('shop:notes:1')).toBe(0);
    // So that a second tail that is behind cannot write the row as it was.
    expect((await stage.redis.get('cf:{shop:notes:1}'))! > before!).toBe(true);
  });

  it('drops the keys and tags of both images', async () => {
    await stage.sql.query("REPLACE INTO shop.orders VALUES (1, 1, 10, 'a'), (5, 3, 30, 'b')");
    const app = await stage.app({ tables });
    const readers = [
      ...[1, 2, 3].map((user) => new Reader(app, `user:${user}:orders`)),
      ...[10, 20, 30].map((org) => new Reader(app, `org ${org}`, [tag('org', org)])),
      new Reader(app, 'shop:orders:1'),
      new Reader(app, 'shop:orders:5'),
    ];
    const update = 'UPDATE shop.orders SET user_id = 2, org_id = 20 WHERE id = 1';
    expect(await lost(app, readers, update)).toEqual([
      'user:1:orders',
      'user:2:orders',
      'org 10',
      'org 20',
      'shop:orders:1',
    ]);
    expect(await lost(app, readers, "UPDATE shop.orders SET note = 'c' WHERE id = 1")).toEqual([
      'user:2:orders',
      'org 20',
      'shop:orders:1',
    ]);
    expect(await lost(app, readers, 'DELETE FROM shop.orders WHERE id = 1')).toEqual([
      'user:2:orders',
      'org 20',
      'shop:orders:1',
    ]);
    expect(await lost(app, readers, "INSERT INTO shop.orders VALUES (1, 1, 10, 'd')")).toEqual([
      'user:1:orders',
      'org 10',
      'shop:orders:1',
    ]);
    expect(app.errors).toEqual([]);
  });

  it('is given all columns, also where nobody listens to the changes', async () => {
    // The apps of the other tests subscribe to events$, for which all columns are read anyway.
    class ShopModule {}
    const imports = [CacheflowModule.forRoot(stage.options({ tables }))];
    const context = await NestFactory.createApplicationContext(
      { module: ShopModule, imports },
      { logger: new MemoryLogger(), abortOnError: false },
    );
    try {
      const cacheflow = context.get(CacheflowService);
      await cacheflow.caughtUp();
      await stage.cache('user:1:orders', 'user:undefined:orders');
      await stage.sql.query("INSERT INTO shop.orders VALUES (1, 1, 10, 'a')");
      await cacheflow.caughtUp();
      expect(await stage.redis.mget('user:1:orders', 'user:undefined:orders')).toEqual([null, 'cached']);
    } finally {
      await context.close();
    }
  });

  it('is asked about each image that is there, with the other one', async () => {
    await stage.sql.query("REPLACE INTO shop.orders VALUES (1, 1, 10, 'a')");
    const asked: DependencyChange<Order>[] = [];
    const app = await stage.app({
      tables: [
        {
          ...orders,
          invalidates: (change: DependencyChange<Order>) => {
            asked.push(change);
            return change.action === 'delete' ? null : undefined;
          },
        },
      ],
    });
    await stage.sql.query(
      "UPDATE shop.orders SET user_id = 2; DELETE FROM shop.orders; INSERT INTO shop.orders VALUES (2, 3, 30, 'b')",
    );
    await app.cacheflow.caughtUp();
    const of = { schema: 'shop', table: 'orders' };
    const [first, second] = [
      { id: 1, user_id: 1, org_id: 10, note: 'a' },
      { id: 1, user_id: 2, org_id: 10, note: 'a' },
    ];
    expect(asked).toEqual([
      { ...of, action: 'update', before: first, after: second },
      { ...of, action: 'update', before: second, after: first },
      { ...of, action: 'delete', before: null, after: second },
      { ...of, action: 'insert', before: null, after: { id: 2, user_id: 3, org_id: 30, note: 'b' } },
    ]);
    expect(app.errors).toEqual([]);
    await stage.sql.query('DELETE FROM shop.orders');
  });

  it('works beside write-through, of the same keys too', async () => {
    const app = await stage.app({
      tables: [
        {
          ...orders,
          strategy: CacheStrategy.WriteThrough,
          match: ['shop:orders:*', ...[orders.match ?? []].flat()],
          invalidates: (change: DependencyChange<Order>) => [
            'shop:orders:77',
            ...(orders.invalidates?.(change as unknown as DependencyChange) ?? []),
          ],
        },
      ],
    });
    const readers = [new Reader(app, 'user:1:orders'), new Reader(app, 'org 10', [tag('org', 10)])];
    const change = "REPLACE INTO shop.orders VALUES (76, 1, 10, 'a'), (77, 1, 10, 'b')";
    expect(await lost(app, readers, change)).toEqual(['user:1:orders', 'org 10']);
    const written = async (): Promise<unknown[]> =>
      (await stage.redis.mget('shop:orders:76', 'shop:orders:77')).map(
        (text) => (JSON.parse(text ?? 'null') as Order | null)?.note,
      );
    expect(await written()).toEqual(['a', 'b']);
    await stage.sql.query("UPDATE shop.orders SET note = 'c' WHERE id = 76");
    await app.cacheflow.caughtUp();
    expect(await written()).toEqual(['c', undefined]);
    expect(await lost(app, readers, 'TRUNCATE shop.orders')).toEqual(['user:1:orders', 'org 10']);
    expect(await written()).toEqual([undefined, undefined]);
    expect(app.errors).toEqual([]);
  });

  it('removes by `match` what depends on a table that was truncated', async () => {
    const app = await stage.app({ tables });
    const readers = [
      new Reader(app, 'user:1:orders'),
      new Reader(app, 'org 10', [tag('org', 10)]),
      new Reader(app, 'shop:orders:1'),
      new Reader(app, 'user:1:name'),
      new Reader(app, 'team 10', [tag('team', 10)]),
    ];
    expect(await lost(app, readers, 'TRUNCATE shop.orders')).toEqual([
      'user:1:orders',
      'org 10',
      'shop:orders:1',
    ]);
    expect(app.errors).toEqual([]);
  });

  it('removes it after a lost position', async () => {
    const first = await stage.app({ tables });
    const readers = [new Reader(first, 'user:1:orders'), new Reader(first, 'org 10', [tag('org', 10)])];
    for (const reader of readers) await reader.read();
    await stage.sql.query('REPLACE INTO shop.notes VALUES (1, 1)');
    await first.cacheflow.caughtUp();
    await untilSaved(first, stage.redis);
    await first.close();
    await stage.sql.query(stage.sql.kind === 'mysql' ? 'RESET BINARY LOGS AND GTIDS' : 'RESET MASTER');
    expect(await stage.redis.exists('user:1:orders', tag('org', 10))).toBe(2);
    const second = await stage.app({ tables });
    expect(codesOf(second)).toEqual(['CACHEFLOW_POSITION_LOST']);
    expect(await stage.redis.exists('user:1:orders', tag('org', 10))).toBe(0);
    for (const { key, dependsOn } of readers) {
      expect(await second.cacheflow.getOrLoad(key, async () => 'new', { dependsOn })).toBe('new');
    }
  });

  it.each([
    [
      'throws',
      () => {
        throw new RangeError('secret');
      },
      'RangeError',
    ],
    [
      'throws for one image only',
      ({ after }: DependencyChange<Order>) => {
        if (after.user_id === 1) throw new RangeError('secret');
        return [];
      },
      'RangeError',
    ],
    ['gives no strings', () => [5] as unknown as string[], 'TypeError'],
    ['gives a promise', async () => [], 'TypeError'],
  ])(
    'that %s is reported, and everything goes that it could have named',
    async (_title, invalidates, kind) => {
      await stage.sql.query("REPLACE INTO shop.orders VALUES (1, 1, 10, 'secret too'), (2, 2, 20, 'b')");
      const app = await stage.app({ tables: [{ ...orders, invalidates } as TableOptions] });
      const readers = [
        new Reader(app, 'user:2:orders'),
        new Reader(app, 'org 20', [tag('org', 20)]),
        new Reader(app, 'shop:orders:2'),
        new Reader(app, 'other'),
      ];
      expect(await lost(app, readers, 'UPDATE shop.orders SET user_id = 3 WHERE id = 1')).toEqual([
        'user:2:orders',
        'org 20',
        'shop:orders:2',
      ]);
      expect(app.errors.map(({ code, message }) => [code, message])).toEqual([
        [
          'CACHEFLOW_KEY_FAILED',
          expect.stringContaining(
            `\`invalidates\` failed (${kind}); everything that the table makes stale is removed (table shop.orders, `,
          ),
        ],
      ]);
      expect(app.log.join('\n')).not.toContain('secret');
      expect(app.cacheflow.status().state).toBe('streaming');
    },
  );

  it('is not asked about a row that came without all columns; everything goes that it could have named', async () => {
    await stage.sql.query("REPLACE INTO shop.orders VALUES (1, 1, 10, 'a'), (2, 2, 20, 'b')");
    const app = await stage.app({ tables });
    const readers = [
      new Reader(app, 'user:2:orders'),
      new Reader(app, 'org 20', [tag('org', 20)]),
      new Reader(app, 'shop:orders:2'),
      new Reader(app, 'other'),
    ];
    const change = `SET SESSION binlog_row_image = 'MINIMAL'; UPDATE shop.orders SET note = 'c' WHERE id = 1;
      SET SESSION binlog_row_image = 'FULL'`;
    expect(await lost(app, readers, change)).toEqual(['user:2:orders', 'org 20', 'shop:orders:2']);
    expect(app.errors.map(({ code, message }) => [code, message])).toEqual([
      [
        'CACHEFLOW_ROW_INCOMPLETE',
        expect.stringContaining(
          'A row arrived without all columns, so that `invalidates` cannot be asked; everything that the table makes ' +
            'stale is removed. SET GLOBAL binlog_row_image = FULL',
        ),
      ],
    ]);
  });

  it('may be asked again about the same changes', async () => {
    const first = await stage.app({ tables });
    await stage.sql.query("REPLACE INTO shop.orders VALUES (1, 1, 10, 'a')");
    await first.cacheflow.caughtUp();
    const before = first.cacheflow.status().position;
    await stage.sql.query(
      'UPDATE shop.orders SET user_id = 2 WHERE id = 1; UPDATE shop.orders SET user_id = 3',
    );
    await first.cacheflow.caughtUp();
    await first.close();
    await stage.redis.unlink(CHECKPOINT);
    const { file, offset } = before as { file: string; offset: number };
    const second = await stage.boot({ tables, startAt: { file, offset } });
    const counts = async (): Promise<unknown[]> =>
      Promise.all(
        [1, 2, 3].map(async (user) =>
          second.cacheflow.getOrLoad(`user:${user}:orders`, async () => {
            const rows = await stage.sql.query('SELECT id FROM shop.orders WHERE user_id = ?', [user]);
            return rows.length;
          }),
        ),
      );
    expect(await counts()).toEqual([0, 0, 1]);
    await second.cacheflow.caughtUp();
    expect(second.cacheflow.status().counters.changes).toBe(2);
    expect(await counts()).toEqual([0, 0, 1]);
    expect(await counts()).toEqual([0, 0, 1]);
    await stage.sql.query('UPDATE shop.orders SET user_id = 2');
    await second.cacheflow.caughtUp();
    expect(await counts()).toEqual([0, 1, 0]);
    expect(second.errors).toEqual([]);
  });

  it.each([
    [
      { match: undefined },
      'tables[0].match: `invalidates` cannot be turned around, so that the pattern of the keys has to be named | ' +
        "Set `match` to the Redis pattern(s) that all of these keys match, e.g. 'profile:*' or tag('org', '*')",
    ],
    [
      { match: ['user:*', ''] },
      'tables[0].match: `invalidates` cannot be turned around, so that the pattern of the keys has to be named | ' +
        "Set `match` to the Redis pattern(s) that all of these keys match, e.g. 'profile:*' or tag('org', '*')",
    ],
    [
      { invalidates: ['user:1:orders'] },
      "tables[0].invalidates: it is no function | Write e.g. (change) => ['user:' + change.after.id]",
    ],
    [
      { match: 'cf:*' },
      'tables[0]: its keys begin with `cf:`, where the versions of keys are kept | Let the keys begin with something else',
    ],
  ])('is refused with %j', async (change, line) => {
    const { faults } = await refusedBoot(
      stage.options({ tables: [{ ...orders, ...change } as unknown as TableOptions] }),
    );
    expect(faultLines(faults)).toEqual([line]);
  });
});

describeEachSql('A value that depends on tags', { schema }, (stage) => {
  const [org, team] = [tag('org', 7), tag('team', 'a', 3)];

  it('is gone when the tail or the app invalidates one of them', async () => {
    const app = await stage.app({ tables });
    const both = new Reader(app, 'both', [org, team]);
    const one = new Reader(app, 'one', [org]);
    const none = new Reader(app, 'none');
    const readers = [both, one, none];
    const cached = async (): Promise<boolean[]> => {
      const found: boolean[] = [];
      for (const reader of readers) found.push(await reader.isCached());
      return found;
    };
    for (const reader of readers) await reader.read();
    expect(await cached()).toEqual([true, true, true]);
    await stage.sql.query("REPLACE INTO shop.orders VALUES (1, 1, 7, 'a')");
    await app.cacheflow.caughtUp();
    expect(await cached()).toEqual([false, false, true]);
    expect(await cached()).toEqual([true, true, true]);
    await app.cacheflow.invalidate(team);
    expect(await cached()).toEqual([false, true, true]);
    await app.cacheflow.invalidate(org, 'none');
    expect(await cached()).toEqual([false, false, false]);
    await app.cacheflow.invalidate('both');
    expect(await cached()).toEqual([false, true, true]);
    expect(app.errors).toEqual([]);
  });

  itOnOneServer('is gone in one step with all others, however many they are', async () => {
    const app = await stage.app({ tables });
    const readers = Array.from({ length: 100 }, (_, n) => new Reader(app, `value ${n}`, [org]));
    await Promise.all(readers.map(async (reader) => reader.read()));
    const commands = async (): Promise<Record<string, number>> => {
      const lines = (await stage.redis.info('commandstats')).matchAll(/cmdstat_([\w|]+):calls=(\d+)/g);
      return Object.fromEntries([...lines].map(([, name, calls]) => [name, Number(calls)]));
    };
    for (const bump of [
      () => app.cacheflow.invalidate(org),
      async () => {
        await stage.sql.query('REPLACE INTO shop.orders VALUES (1, 1, 7, UUID())');
        await app.cacheflow.caughtUp();
      },
    ]) {
      await Promise.all(readers.map(async (reader) => reader.read()));
      await stage.redis.config('RESETSTAT');
      await bump();
      const { unlink = 0, scan, keys } = await commands();
      expect([unlink > 0, unlink < 5, scan, keys]).toEqual([true, true, undefined, undefined]);
      expect(await stage.redis.exists(...readers.map(({ key }) => key))).toBe(100);
      const found = await Promise.all(readers.map(async (reader) => reader.isCached()));
      expect(found).not.toContain(true);
    }
    expect(app.errors).toEqual([]);
  });

  it.each([
    ['invalidates it', 'invalidate'],
    ['sees a change', 'change'],
  ])('that was being loaded while the app %s is not served afterwards', async (_title, way) => {
    const app = await stage.app({ tables });
    const { cacheflow } = app;
    const door = new Door();
    let isLoading = false;
    const old = cacheflow.getOrLoad(
      'slow',
      async () => {
        isLoading = true;
        await door.opened;
        return 'old';
      },
      { dependsOn: [org] },
    );
    await waitFor(() => isLoading);
    if (way === 'invalidate') await cacheflow.invalidate(org);
    else await stage.sql.query('REPLACE INTO shop.orders VALUES (1, 1, 7, UUID())');
    await cacheflow.caughtUp();
    door.open();
    expect(await old).toBe('old');
    expect(await cacheflow.getOrLoad('slow', async () => 'new', { dependsOn: [org] })).toBe('new');
    expect(await cacheflow.getOrLoad('slow', async () => 'newer', { dependsOn: [org] })).toBe('new');
  });

  it('is loaded anew where Redis has dropped the tag or the record', async () => {
    const app = await stage.app({ tables });
    const reader = new Reader(app, 'value', [org, team]);
    await reader.read();
    for (const evicted of [org, team, 'cf:{value}']) {
      expect(await reader.isCached(), evicted).toBe(true);
      expect(await stage.redis.unlink(evicted), evicted).toBe(1);
      expect(await reader.isCached(), evicted).toBe(false);
    }
    expect(await reader.isCached()).toBe(true);
    // A tag that comes back is another one.
    await stage.redis.unlink(org);
    await new Reader(app, 'another', [org]).read();
    expect(await reader.isCached()).toBe(false);
  });

  it('depends on the same tags in any order', async () => {
    const app = await stage.app({ tables });
    const load = async (value: string, dependsOn: CacheTag[]): Promise<string> =>
      app.cacheflow.getOrLoad('value', async () => value, { dependsOn });
    expect(await load('first', [org, team])).toBe('first');
    expect(await load('second', [team, org, team])).toBe('first');
    expect(await load('third', [team])).toBe('third');
  });

  it('keeps its time to live, and its record is gone with it', async () => {
    const app = await stage.app({ tables });
    await app.cacheflow.getOrLoad('value', async () => 1, {
      dependsOn: [org],
      ttlSeconds: 100,
      ttlJitter: 0,
    });
    for (const key of ['value', 'cf:{value}']) {
      expect(await stage.redis.ttl(key)).toBeGreaterThan(95);
      expect(await stage.redis.ttl(key)).toBeLessThanOrEqual(100);
    }
    await app.cacheflow.getOrLoad('for ever', async () => 1, { dependsOn: [org], ttlSeconds: Infinity });
    expect(await stage.redis.ttl('for ever')).toBe(-1);
    expect(await stage.redis.ttl('cf:{for ever}')).toBe(-1);
    expect(await stage.redis.ttl(org)).toBeGreaterThan(6 * 24 * 60 * 60);
  });

  it('may be one of many that are read together', async () => {
    const app = await stage.app({ tables });
    const asked: string[][] = [];
    const read = async (...keys: string[]): Promise<unknown[]> =>
      app.cacheflow.getManyOrLoad(
        keys,
        async (missing) => {
          asked.push([...missing]);
          return missing.map((key) => (key === 'nothing' ? null : `${key} ${asked.length}`));
        },
        { dependsOn: [org] },
      );
    expect(await read('a', 'b', 'nothing')).toEqual(['a 1', 'b 1', null]);
    expect(await read('c', 'b', 'nothing', 'a', 'b')).toEqual(['c 2', 'b 1', null, 'a 1', 'b 1']);
    await stage.redis.unlink('cf:{b}');
    expect(await read('a', 'b', 'c')).toEqual(['a 1', 'b 3', 'c 2']);
    await app.cacheflow.invalidate(org);
    expect(await read('a', 'b')).toEqual(['a 4', 'b 4']);
    expect(await read('a', 'b', 'c')).toEqual(['a 4', 'b 4', 'c 5']);
    expect(asked).toEqual([['a', 'b', 'nothing'], ['c'], ['b'], ['a', 'b'], ['c']]);
  });

  it('is another one than that of a reader without tags, which serves whatever is there', async () => {
    const app = await stage.app({ tables });
    const tagged = new Reader(app, 'value', [org]);
    const plain = new Reader(app, 'value');
    await plain.read();
    expect(await tagged.isCached()).toBe(false);
    expect(await tagged.isCached()).toBe(true);
    expect(await plain.isCached()).toBe(true);
  });
});
