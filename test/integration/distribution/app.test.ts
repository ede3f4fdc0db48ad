import type { Type } from '@nestjs/common';
import { Injectable } from '@nestjs/common';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ChangeEvent, CacheflowOptions } from '../../../lib';
import { OnBinlog } from '../../../lib';
import { describeEachSql } from '../../support/each-sql';
import { faultLines, refusedBoot } from '../../support/refused-boot';
import { withRabbit } from '../../support/retry-harness';
import type { RabbitMqServer } from '../../support/servers';
import { startRabbitmq } from '../../support/servers';
import { waitFor } from '../../support/wait-for';
import { expectChangeMessage } from '../../support/change-message-schema';

// A whole app whose handlers are distributed: what they get, and what they no longer hold up.

const SCHEMA = `
  CREATE DATABASE shop;
  CREATE TABLE shop.orders (
    id BIGINT UNSIGNED PRIMARY KEY, total INT, paid DATETIME(3), raw VARBINARY(9), data JSON, price DECIMAL(9,2), f DOUBLE
  );`;
const TABLES = [{ db: 'shop', table: 'orders' }];

let rabbit: RabbitMqServer;
beforeAll(async () => {
  rabbit = await startRabbitmq();
});
afterAll(async () => {
  await rabbit?.dispose();
});

describeEachSql('distributed handlers', { schema: SCHEMA }, (stage) => {
  function options(queue: string, handlers: CacheflowOptions['handlers'] = {}): Partial<CacheflowOptions> {
    return {
      handlers: { distribute: true, partitions: 3, ...handlers },
      retry: { mq: { url: rabbit.url, queue: `${stage.kind}.${queue}`, exchange: `${stage.kind}.${queue}` } },
    };
  }

  it.each(['cacheflow', 'debezium'] as const)(
    'give each handler the event that it gets without distribution (%s)',
    async (envelope) => {
      await stage.sql.query('TRUNCATE shop.orders');
      const got = { here: [] as ChangeEvent[], there: [] as ChangeEvent[] };
      @Injectable()
      class Here {
        @OnBinlog('shop.orders', { source: 'here' })
        onOrder(event: ChangeEvent): void {
          got.here.push(event);
        }
      }
      @Injectable()
      class There {
        @OnBinlog('shop.orders', { source: 'there' })
        onOrder(event: ChangeEvent): void {
          got.there.push(event);
        }
        @OnBinlog('shop.*', { actions: ['delete'], source: 'there' })
        onDelete(): void {
          // A second handler of the same change.
        }
      }
      const plain = await stage.app({ tables: TABLES, name: 'here' }, { providers: [Here] });
      const spread = await stage.app(
        { tables: TABLES, name: 'there', ...options(`exact.${envelope}`, { envelope }) },
        { providers: [There] },
      );
      await stage.sql.query(`
        INSERT INTO shop.orders VALUES (18446744073709551615, 1, '2024-02-29 12:34:56.789', x'00ff', '{"$bigint": "1"}', 1.50, -0e0);
        UPDATE shop.orders SET total = 2, paid = NULL, data = '[1, {"a": null}]';
        DELETE FROM shop.orders`);
      await Promise.all([plain.cacheflow.caughtUp(), spread.cacheflow.caughtUp()]);
      await waitFor(() => got.here.length === 3 && got.there.length === 3);
      expect(got.there).toStrictEqual(got.here);
      expect(got.there.map(({ action }) => action)).toEqual(['insert', 'update', 'delete']);
      expect(spread.errors).toEqual([]);
    },
  );

  it('share the work of a group: each change once, and some of it for each process', async () => {
    await stage.sql.query('TRUNCATE shop.orders');
    const handled: string[][] = [[], []];
    const listener = (calls: string[]): Type => {
      @Injectable()
      class Listener {
        @OnBinlog('shop.orders')
        onOrder({ after }: ChangeEvent): void {
          calls.push(`${String(after?.['id'])}:${String(after?.['total'])}`);
        }
      }
      return Listener;
    };
    const shared = { tables: TABLES, ...options('shared', { partitions: 4 }) };
    const [first, second] = [
      await stage.app(shared, { providers: [listener(handled[0]!)] }),
      await stage.boot(shared, { providers: [listener(handled[1]!)] }),
    ];
    await waitFor(() => second.cacheflow.status().distribution?.partitions.length === 2);
    await waitFor(() => first.cacheflow.status().distribution?.partitions.length === 2);
    let total = 0;
    await waitFor(
      async () => {
        total++;
        const rows = Array.from({ length: 40 }, (_, id) => `(${id}, ${total})`).join();
        await stage.sql.query(`REPLACE INTO shop.orders (id, total) VALUES ${rows}`);
        await second.cacheflow.caughtUp();
        return handled.every((calls) => calls.length > 0);
      },
      { timeoutMillis: 30_000, message: 'work for both' },
    );
    await waitFor(() => new Set(handled.flat()).size === 40 * total);
    expect(handled.flat()).toHaveLength(40 * total);
  });

  it('hold neither the tail nor the checkpoint, and what waits is handled after a restart', async () => {
    await stage.sql.query('TRUNCATE shop.orders');
    let open = (): void => undefined;
    const opened = new Promise<void>((resolve) => (open = resolve));
    const totals: unknown[] = [];
    @Injectable()
    class Slow {
      @OnBinlog('shop.orders')
      async onOrder({ after }: ChangeEvent): Promise<void> {
        await opened;
        totals.push(after?.['total']);
      }
    }
    const slow = { tables: TABLES, ...options('slow'), shutdownTimeoutMillis: 500 };
    const first = await stage.app(slow, { providers: [Slow] });
    await stage.sql.query('INSERT INTO shop.orders (id, total) VALUES (1, 1)');
    for (const total of [2, 3]) await stage.sql.query('UPDATE shop.orders SET total = ?', [total]);
    await first.cacheflow.caughtUp();
    await waitFor(() => {
      const { checkpoint, position } = first.cacheflow.status();
      return checkpoint && position && checkpoint.offset === position.offset;
    });
    expect(totals).toEqual([]);
    expect(first.cacheflow.status()).toMatchObject({
      pendingHandlers: 3,
      distribution: { partitions: [0, 1, 2], publishing: 0, fenced: 0 },
    });
    await first.close();
    open();
    await stage.app(slow, { providers: [Slow] });
    await waitFor(() => totals.includes(3));
    expect([...new Set(totals)]).toEqual([1, 2, 3]);
  });

  it('write messages that the JSON Schema describes', async () => {
    await stage.sql.query('TRUNCATE shop.orders');
    @Injectable()
    class Stuck {
      @OnBinlog('shop.orders')
      async onOrder(): Promise<void> {
        throw new Error('not now');
      }
    }
    const app = await stage.app(
      { tables: TABLES, ...options('schema', { partitions: 1, backoffMillis: 60_000 }) },
      { providers: [Stuck] },
    );
    await stage.sql.query(`
      INSERT INTO shop.orders VALUES (18446744073709551615, 1, '2024-02-29 12:34:56.789', x'00ff', '{"$bigint": "1"}', 1.50, 0.5);
      UPDATE shop.orders SET total = 2, paid = NULL;
      DELETE FROM shop.orders`);
    await app.cacheflow.caughtUp();
    await waitFor(() => app.cacheflow.status().distribution?.publishing === 0);
    await app.close();
    const messages: unknown[] = [];
    await withRabbit(rabbit.url, async (channel) => {
      // Its messages go to one consumer at a time, and not to whoever asks.
      await channel.consume(`${stage.kind}.schema.handlers.1.0`, (message) =>
        messages.push(JSON.parse(String(message?.content))),
      );
      await waitFor(() => messages.length === 3);
    });
    for (const message of messages) expectChangeMessage(message);
    expect(() => expectChangeMessage({ format: 'nestjs-cacheflow/change/1' })).toThrow();
  });

  it('need RabbitMQ', async () => {
    const { faults } = await refusedBoot({
      ...stage.options({ tables: TABLES }),
      handlers: { distribute: true },
      retry: { enable: false, mq: { url: rabbit.url } },
    });
    expect(faultLines(faults)).toEqual([
      expect.stringMatching(/^handlers\.distribute: the calls travel through RabbitMQ/),
    ]);
  });
});
