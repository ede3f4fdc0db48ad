import { Controller, Inject, Injectable, Module, Scope } from '@nestjs/common';
import type { Provider } from '@nestjs/common';
import { afterEach, expect, it } from 'vitest';
import { CacheflowService, HandlerFailedError, OnBinlog } from '../../../lib';
import type { ChangeEvent } from '../../../lib';
import { startApp } from '../../support/app';
import { describeEachSql } from '../../support/each-sql';
import { waitFor } from '../../support/wait-for';

const SCHEMA = `
  CREATE DATABASE shop; CREATE DATABASE crm;
  CREATE TABLE shop.orders (id INT PRIMARY KEY, total INT);
  CREATE TABLE shop.items (id INT PRIMARY KEY, total INT);
  CREATE TABLE shop.scraps (total INT);
  CREATE TABLE crm.orders (id INT PRIMARY KEY, total INT);`;
const TABLES = [
  { db: 'shop', table: 'orders' },
  { db: 'shop', table: 'items' },
  { db: 'crm', table: 'orders' },
];

interface Order {
  id: number;
  total: number;
}

/** `update shop.orders 1`, for comparing. */
function textOf(event: ChangeEvent): string {
  const row = event.after ?? event.before;
  return `${event.action} ${event.schema}.${event.table} ${String(row?.['id'])}`;
}

/** A promise that somebody else resolves. */
class Door {
  open!: () => void;
  readonly opened = new Promise<void>((resolve) => {
    this.open = resolve;
  });
}

describeEachSql('@OnBinlog', { schema: SCHEMA }, (stage) => {
  const doors: Door[] = [];
  const door = (): Door => {
    const made = new Door();
    doors.push(made);
    return made;
  };

  // Before the apps are closed, which would wait for handlers behind a door.
  afterEach(async () => {
    for (const each of doors.splice(0)) each.open();
    await stage.sql.query(
      'TRUNCATE shop.orders; TRUNCATE shop.items; TRUNCATE crm.orders; TRUNCATE shop.scraps',
    );
  });

  async function handled(app: { cacheflow: CacheflowService }): Promise<void> {
    await app.cacheflow.caughtUp();
    await waitFor(() => app.cacheflow.status().pendingHandlers === 0, { message: 'the handlers' });
  }

  it('calls methods of providers and controllers, after the cache work', async () => {
    const calls: string[] = [];
    @Injectable()
    class Listener {
      constructor(@Inject(CacheflowService) private readonly cacheflow: CacheflowService) {}
      @OnBinlog<Order>('shop.orders')
      async onOrder(event: ChangeEvent<Order>): Promise<void> {
        const cached = await stage.redis.get(`shop:orders:${event.after?.id}`);
        calls.push(`provider ${event.action} ${cached} ${this.cacheflow.status().state}`);
      }
    }
    @Controller()
    class OrdersController {
      private readonly own = 'controller';
      @OnBinlog('shop.orders')
      onOrder(event: ChangeEvent): void {
        calls.push(`${this.own} ${event.action}`);
      }
    }
    const app = await stage.app(
      { tables: TABLES },
      { providers: [Listener], controllers: [OrdersController] },
    );
    await stage.cache('shop:orders:1');
    await stage.sql.query('INSERT INTO shop.orders VALUES (1, 1)');
    await handled(app);
    expect(calls.sort()).toEqual(['controller insert', 'provider insert null streaming']);
    expect(app.errors).toEqual([]);
  });

  it('awaits the calls for one row, one after another in commit order', async () => {
    const log: string[] = [];
    const first = door();
    @Injectable()
    class Listener {
      @OnBinlog<Order>('shop.orders', { actions: ['update'] })
      async onOrder(event: ChangeEvent<Order>): Promise<void> {
        log.push(`start ${event.after?.total}`);
        if (event.after?.total === 1) await first.opened;
        log.push(`end ${event.after?.total}`);
      }
    }
    await stage.sql.query('INSERT INTO shop.orders VALUES (1, 0)');
    const app = await stage.app({ tables: TABLES }, { providers: [Listener] });
    for (const total of [1, 2, 3]) await stage.sql.query('UPDATE shop.orders SET total = ?', [total]);
    await app.cacheflow.caughtUp();
    expect(log).toEqual(['start 1']);
    expect(app.cacheflow.status().pendingHandlers).toBe(3);
    first.open();
    await handled(app);
    expect(log).toEqual(['start 1', 'end 1', 'start 2', 'end 2', 'start 3', 'end 3']);
  });

  it('keeps the order of a row whose primary key changes, and of tables without one', async () => {
    const log: string[] = [];
    const first = door();
    @Injectable()
    class Listener {
      @OnBinlog<Order>(['shop.orders', 'shop.scraps'])
      async onChange(event: ChangeEvent<Order>): Promise<void> {
        if (event.after?.total === 0) await first.opened;
        log.push(`${event.table} ${event.after?.total}`);
      }
    }
    const app = await stage.app(
      { tables: [...TABLES, { db: 'shop', table: 'scraps', key: 'scrap:{total}' }] },
      { providers: [Listener] },
    );
    await stage.sql.query(`
      INSERT INTO shop.orders VALUES (1, 0); UPDATE shop.orders SET id = 2, total = 1;
      UPDATE shop.orders SET total = 2; INSERT INTO shop.orders VALUES (9, 9);
      INSERT INTO shop.scraps VALUES (0); INSERT INTO shop.scraps VALUES (1)`);
    await app.cacheflow.caughtUp();
    await waitFor(() => log.includes('orders 9'), { message: 'another row, which does not wait' });
    expect(log).toEqual(['orders 9']);
    first.open();
    await handled(app);
    expect(log.filter((line) => line.startsWith('orders'))).toEqual([
      'orders 9',
      'orders 0',
      'orders 1',
      'orders 2',
    ]);
    expect(log.filter((line) => line.startsWith('scraps'))).toEqual(['scraps 0', 'scraps 1']);
  });

  it('runs the calls for different rows side by side, up to `concurrency`', async () => {
    let running = 0;
    let most = 0;
    const all = door();
    @Injectable()
    class Listener {
      @OnBinlog('shop.orders')
      async onOrder(): Promise<void> {
        most = Math.max(most, ++running);
        await all.opened;
        running--;
      }
    }
    const app = await stage.app({ tables: TABLES, handlers: { concurrency: 4 } }, { providers: [Listener] });
    await stage.sql.query(
      `INSERT INTO shop.orders VALUES ${Array.from({ length: 30 }, (_, id) => `(${id}, 1)`).join()}`,
    );
    await app.cacheflow.caughtUp();
    await waitFor(() => running === 4);
    expect(app.cacheflow.status().pendingHandlers).toBe(30);
    all.open();
    await handled(app);
    expect(most).toBe(4);
  });

  it('finds its methods by patterns and actions, and calls one once for a change', async () => {
    const calls = new Map<string, string[]>();
    const note = (method: string, event: ChangeEvent): void => {
      calls.set(method, [...(calls.get(method) ?? []), textOf(event)]);
    };
    @Injectable()
    class Listener {
      @OnBinlog('shop.*')
      ofShop(event: ChangeEvent): void {
        note('shop.*', event);
      }
      @OnBinlog('*.orders')
      ofOrders(event: ChangeEvent): void {
        note('*.orders', event);
      }
      @OnBinlog('*', { actions: ['delete'] })
      ofAll(event: ChangeEvent): void {
        note('* deleted', event);
      }
      @OnBinlog(['shop.items', 'crm.orders'], { actions: ['insert', 'update'] })
      ofList(event: ChangeEvent): void {
        note('list', event);
      }
      @OnBinlog('crm.orders', { actions: ['insert'] })
      @OnBinlog('shop.items', { actions: ['delete'] })
      @OnBinlog('shop.*', { actions: ['delete'] })
      stacked(event: ChangeEvent): void {
        note('stacked', event);
      }
    }
    const app = await stage.app({ tables: TABLES }, { providers: [Listener] });
    await stage.sql.query(`
      INSERT INTO shop.orders VALUES (1, 1); INSERT INTO shop.items VALUES (1, 1); INSERT INTO crm.orders VALUES (1, 1);
      UPDATE shop.items SET total = 2; DELETE FROM shop.items; DELETE FROM crm.orders`);
    await handled(app);
    expect(Object.fromEntries([...calls].map(([method, texts]) => [method, texts.sort()]))).toEqual({
      'shop.*': ['delete shop.items 1', 'insert shop.items 1', 'insert shop.orders 1', 'update shop.items 1'],
      '*.orders': ['delete crm.orders 1', 'insert crm.orders 1', 'insert shop.orders 1'],
      '* deleted': ['delete crm.orders 1', 'delete shop.items 1'],
      list: ['insert crm.orders 1', 'insert shop.items 1', 'update shop.items 1'],
      stacked: ['delete shop.items 1', 'insert crm.orders 1'],
    });
  });

  it('finds inherited methods, both instances of a class in two modules, and no instance twice', async () => {
    const calls: string[] = [];
    class Base {
      @OnBinlog('shop.orders')
      onOrder(): void {
        calls.push(`inherited by ${this.constructor.name}`);
      }
      @OnBinlog('shop.orders')
      overridden(): void {
        calls.push('the base method');
      }
    }
    @Injectable()
    class Derived extends Base {
      override overridden(): void {
        calls.push('the undecorated override');
      }
    }
    @Injectable()
    class Twin {
      @OnBinlog('shop.orders')
      onOrder(): void {
        calls.push('twin');
      }
    }
    @Module({ providers: [Twin] })
    class LeftModule {}
    @Module({ providers: [Twin] })
    class RightModule {}
    const providers: Provider[] = [
      Derived,
      { provide: 'ALIAS', useExisting: Derived },
      { provide: Symbol('handed on'), useFactory: (derived: Derived) => derived, inject: [Derived] },
    ];
    const app = await stage.app({ tables: TABLES }, { providers, imports: [LeftModule, RightModule] });
    await stage.sql.query('INSERT INTO shop.orders VALUES (1, 1)');
    await handled(app);
    expect(calls.sort()).toEqual(['inherited by Derived', 'twin', 'twin']);
  });

  it('survives providers that are no ordinary objects', async () => {
    const calls: string[] = [];
    class Held {
      @OnBinlog('shop.orders')
      onOrder(): void {
        calls.push('by symbol');
      }
    }
    class Awkward {
      get trap(): never {
        throw new Error('A getter was read');
      }
    }
    const providers: Provider[] = [
      { provide: 'NULL_PROTOTYPE', useValue: Object.create(null) as object },
      { provide: 'NULL', useValue: null },
      { provide: 'UNDEFINED', useValue: undefined },
      { provide: 'NUMBER', useValue: 5 },
      { provide: 'TEXT', useValue: 'text' },
      { provide: 'FUNCTION', useValue: () => undefined },
      { provide: 'LIST', useFactory: () => [1, 2] },
      { provide: 'AWKWARD', useValue: new Awkward() },
      { provide: 'FROZEN', useValue: Object.freeze({ a: 1 }) },
      { provide: Symbol('held'), useValue: new Held() },
    ];
    const app = await stage.app({ tables: TABLES }, { providers });
    await stage.sql.query('INSERT INTO shop.orders VALUES (1, 1)');
    await handled(app);
    expect(calls).toEqual(['by symbol']);
    expect(app.errors).toEqual([]);
  });

  it('warns of handlers on request-scoped and transient classes, and does not call them', async () => {
    const calls: string[] = [];
    @Injectable({ scope: Scope.REQUEST })
    class PerRequest {
      @OnBinlog('shop.orders')
      onOrder(): void {
        calls.push('per request');
      }
    }
    @Injectable()
    class UsesPerRequest {
      constructor(@Inject(PerRequest) readonly dependency: PerRequest) {}
      @OnBinlog('shop.orders')
      onOrder(): void {
        calls.push('request-scoped by its dependency');
      }
    }
    @Injectable({ scope: Scope.TRANSIENT })
    class Transient {
      @OnBinlog('shop.orders')
      onOrder(): void {
        calls.push('transient');
      }
    }
    const app = await stage.app({ tables: TABLES }, { providers: [PerRequest, UsesPerRequest, Transient] });
    await stage.sql.query('INSERT INTO shop.orders VALUES (1, 1)');
    await handled(app);
    expect(calls).toEqual([]);
    const warnings = app.log.filter((line) => line.includes('is never called'));
    expect(warnings).toEqual([
      expect.stringContaining('PerRequest.onOrder is never called, because its class is request-scoped'),
      expect.stringContaining('UsesPerRequest.onOrder is never called, because its class is request-scoped'),
      expect.stringContaining('Transient.onOrder is never called, because its class is transient'),
    ]);
  });

  it('tries a handler again after a growing pause, then reports it and goes on', async () => {
    const attempts: { total: number; at: number }[] = [];
    @Injectable()
    class Listener {
      @OnBinlog<Order>('shop.orders')
      onOrder({ after }: ChangeEvent<Order>): void {
        attempts.push({ total: after?.total ?? 0, at: performance.now() });
        if (after?.total === 1) throw new RangeError(`secret ${after.total}`);
        if (after?.total === 2 && attempts.filter(({ total }) => total === 2).length < 3)
          throw new Error('twice');
      }
    }
    const handlers = { maxAttempts: 3, backoffMillis: 60 };
    const app = await stage.app({ tables: TABLES, handlers }, { providers: [Listener] });
    await stage.sql.query(`
      INSERT INTO shop.orders VALUES (1, 1); UPDATE shop.orders SET total = 2; UPDATE shop.orders SET total = 3`);
    await handled(app);
    expect(attempts.map(({ total }) => total)).toEqual([1, 1, 1, 2, 2, 2, 3]);
    const pauses = attempts.slice(1, 3).map(({ at }, index) => at - (attempts[index]?.at ?? 0));
    // Jitter takes off up to a half; timers round down.
    expect(pauses[0]).toBeGreaterThanOrEqual(29);
    expect(pauses[1]).toBeGreaterThanOrEqual(59);

    // It is told as a failure, and as the dead letter that it becomes.
    expect(app.errors.map(({ code }) => code)).toEqual(['CACHEFLOW_HANDLER_FAILED', 'CACHEFLOW_DEAD_LETTER']);
    expect(await app.cacheflow.deadLetters.list()).toMatchObject([
      { kind: 'handler', table: 'shop.orders', reason: 'RangeError', attempts: 3 },
    ]);
    const [error] = app.errors as HandlerFailedError[];
    expect(error).toBeInstanceOf(HandlerFailedError);
    expect(error).toMatchObject({ handler: 'Listener.onOrder', attempts: 3, table: 'shop.orders' });
    expect(error?.position).toEqual(app.events[0]?.position);
    expect(error?.cause).toBeInstanceOf(RangeError);
    expect(app.log.join('\n')).toContain('Listener.onOrder failed 3 times');
    expect(app.log.join('\n')).not.toContain('secret');
    expect(app.cacheflow.status().counters).toMatchObject({ handlerFailures: 1, errors: 2, events: 3 });
    await waitFor(
      () => app.cacheflow.status().checkpoint?.offset === app.cacheflow.status().position?.offset,
    );
    const { position, checkpoint } = app.cacheflow.status();
    expect(checkpoint).toEqual(position);
  });

  it('does not let slow handlers delay the cache, until their queue is full', async () => {
    const all = door();
    @Injectable()
    class Listener {
      @OnBinlog('shop.orders')
      async onOrder(): Promise<void> {
        await all.opened;
      }
    }
    const handlers = { queueSize: 10, concurrency: 2 };
    const app = await stage.app(
      { tables: TABLES, handlers, queue: { maxRows: 5 } },
      { providers: [Listener] },
    );
    const keys = Array.from({ length: 60 }, (_, id) => `shop:orders:${id}`);
    await stage.cache(...keys, 'shop:items:1');
    for (let id = 0; id < 10; id++) await stage.sql.query('INSERT INTO shop.orders VALUES (?, 1)', [id]);
    await app.cacheflow.caughtUp();
    expect(app.cacheflow.status().pendingHandlers).toBe(10);
    expect(await stage.redis.exists(keys)).toBe(50);

    for (let id = 10; id < 60; id++) await stage.sql.query('INSERT INTO shop.orders VALUES (?, 1)', [id]);
    await stage.sql.query('INSERT INTO shop.items VALUES (1, 1)');
    await expect(app.cacheflow.caughtUp({ timeoutMillis: 300 })).rejects.toThrow('did not catch up');
    const { pendingHandlers, queuedRows } = app.cacheflow.status();
    expect(pendingHandlers).toBe(10);
    expect(queuedRows).toBeLessThan(50);
    expect(await stage.redis.exists('shop:items:1')).toBe(1);
    all.open();
    await handled(app);
    expect(await stage.redis.exists(...keys, 'shop:items:1')).toBe(0);
    expect(app.events).toHaveLength(61);
  });

  it('delivers a change again whose handler had not finished at the shutdown', async () => {
    const stuck = door();
    const calls: string[] = [];
    @Injectable()
    class Stuck {
      @OnBinlog<Order>('shop.orders')
      async onOrder({ after }: ChangeEvent<Order>): Promise<void> {
        calls.push(`first app ${after?.id}`);
        if (after?.id === 2) await stuck.opened;
      }
    }
    @Injectable()
    class Willing {
      @OnBinlog<Order>('shop.orders')
      onOrder({ after }: ChangeEvent<Order>): void {
        calls.push(`second app ${after?.id}`);
      }
    }
    const app = await stage.app({ tables: TABLES, shutdownTimeoutMillis: 200 }, { providers: [Stuck] });
    await stage.sql.query('INSERT INTO shop.orders VALUES (1, 1)');
    await handled(app);
    await stage.sql.query('INSERT INTO shop.orders VALUES (2, 1)');
    await stage.sql.query('INSERT INTO shop.orders VALUES (3, 1)');
    await app.cacheflow.caughtUp();
    await waitFor(() => calls.length === 3);
    const closing = performance.now();
    await app.close();
    expect(performance.now() - closing).toBeLessThan(2_000);
    expect(app.log.join('\n')).toContain('The shutdown was cut short');

    const again = await startApp(stage.options({ tables: TABLES }), { providers: [Willing] });
    await handled(again);
    await again.close();
    expect(calls.slice(3).sort()).toEqual(['second app 2', 'second app 3']);
  });

  it('waits at the shutdown for handlers that still run, and does not call them again', async () => {
    const slow = door();
    const calls: number[] = [];
    @Injectable()
    class Listener {
      @OnBinlog<Order>('shop.orders')
      async onOrder({ after }: ChangeEvent<Order>): Promise<void> {
        await slow.opened;
        calls.push(after?.id ?? 0);
      }
    }
    const app = await stage.app({ tables: TABLES }, { providers: [Listener] });
    await stage.sql.query('INSERT INTO shop.orders VALUES (1, 1), (2, 1)');
    await app.cacheflow.caughtUp();
    const closed = app.close();
    await waitFor(() => app.cacheflow.status().state === 'stopped');
    expect(calls).toEqual([]);
    slow.open();
    await closed;
    expect(calls.sort()).toEqual([1, 2]);
    const again = await startApp(stage.options({ tables: TABLES }), { providers: [Listener] });
    await handled(again);
    await again.close();
    expect(calls.sort()).toEqual([1, 2]);
  });

  it('closes in time with a full handler queue and a stuck handler', async () => {
    const stuck = door();
    @Injectable()
    class Listener {
      @OnBinlog('shop.orders')
      async onOrder(): Promise<void> {
        await stuck.opened;
      }
    }
    const options = { tables: TABLES, handlers: { queueSize: 2 }, shutdownTimeoutMillis: 200 };
    const app = await stage.app(options, { providers: [Listener] });
    await stage.sql.query('INSERT INTO shop.orders VALUES (1, 1), (2, 1), (3, 1), (4, 1)');
    await waitFor(() => app.cacheflow.status().pendingHandlers === 2);
    const closing = performance.now();
    await app.close();
    expect(performance.now() - closing).toBeLessThan(2_000);
  });

  it('does not start with a handler whose pattern matches no watched table', async () => {
    @Injectable()
    class Mistaken {
      @OnBinlog('shop.oders')
      onOrder(): void {
        throw new Error('Never called');
      }
      @OnBinlog('orders')
      onOther(): void {
        throw new Error('Never called');
      }
    }
    const start = startApp(stage.options({ tables: TABLES }), { providers: [Mistaken] });
    await expect(start).rejects.toThrow(/shop\.oders[\s\S]*no entry of `tables` matches/);
    await expect(start).rejects.toThrow(/"orders" is no table pattern/);
  });
});
