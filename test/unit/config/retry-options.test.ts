import { expect, it } from 'vitest';
import type { CacheflowOptions } from '../../../lib';
import { resolveConfig } from '../../../lib/config/cacheflow.config';
import { Topology } from '../../../lib/retry/broker/topology';
import { faultLines } from '../../support/refused-boot';

const GOOD: CacheflowOptions = {
  mysql: { user: 'cacheflow' },
  redis: {},
  tables: [{ db: 'user', table: 'users' }],
};
const URL_IN_USE = 'amqp://me:s3cret@127.0.0.1:5672/';

function resolved(retry: unknown) {
  return resolveConfig({ ...GOOD, retry } as unknown as CacheflowOptions);
}

it('are tried again in place when they are left out or switched off', () => {
  const inPlace = { maxAttempts: 3, backoffMillis: 500, maxBackoffMillis: 60_000, mq: undefined };
  expect(resolved(undefined)).toMatchObject({ faults: [], retry: inPlace });
  expect(resolved({})).toMatchObject({ faults: [], retry: inPlace });
  const off = resolved({ enable: false, maxAttempts: 5, mq: { url: URL_IN_USE } });
  expect(off).toMatchObject({ faults: [], retry: { ...inPlace, maxAttempts: 5 } });
});

it('take one URL or several', () => {
  expect(resolved({ mq: { url: URL_IN_USE } }).retry.mq?.urls).toEqual([URL_IN_USE]);
  expect(resolved({ mq: { url: [URL_IN_USE, 'amqps://b/'], exchange: 'e' } })).toMatchObject({
    faults: [],
    retry: { mq: { urls: [URL_IN_USE, 'amqps://b/'], exchange: 'e' } },
  });
});

it.each([
  [5, /^retry: it is no object/],
  [{ maxAttemps: 1 }, /^retry\.maxAttemps: there is no such option \| Did you mean `maxAttempts`\?/],
  [{ maxAttempts: 0 }, /^retry\.maxAttempts: it has to be a whole number above 0/],
  [{ backoffMillis: '5' }, /^retry\.backoffMillis: .* is a string/],
  [{ maxBackoffMillis: 2 ** 31 }, /^retry\.maxBackoffMillis: it is too long/],
  [{ enable: 'yes' }, /^retry\.enable: it is neither true nor false/],
  [{ mq: 'amqp://x' }, /^retry\.mq: it is no object/],
  [{ mq: {} }, /^retry\.mq\.url: it is missing/],
  [{ mq: { url: [] } }, /^retry\.mq\.url: it is no AMQP URL/],
  [{ mq: { url: 'http://me:s3cret@h/' } }, /^retry\.mq\.url: it is no AMQP URL/],
  [{ mq: { url: 'amqp://me:s3cr%et@:99999/' } }, /^retry\.mq\.url: it is no AMQP URL/],
  [{ mq: { url: URL_IN_USE, exchang: 'x' } }, /^retry\.mq\.exchang: .* Did you mean `exchange`\?/],
  [{ mq: { url: URL_IN_USE, queue: '' } }, /^retry\.mq\.queue: it has to be a string/],
  [{ mq: { url: URL_IN_USE, queue: 'q'.repeat(201) } }, /^retry\.mq\.queue: the name is too long/],
  [{ mq: { url: URL_IN_USE, dlx: 'amq.direct' } }, /^retry\.mq\.dlx: RabbitMQ keeps names/],
  [{ mq: { url: URL_IN_USE, tls: true } }, /^retry\.mq\.tls: it is no object/],
  [{ mq: { url: URL_IN_USE, tls: { ca: 'x' } } }, /^retry\.mq\.tls: an amqp:\/\/ URL does not use it/],
])('are refused: %j', (retry, expected) => {
  const lines = faultLines(resolved(retry).faults);
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(expected);
  expect(lines[0]).not.toMatch(/s3cr/);
});

it('give each source queues of its own', () => {
  const mq = { urls: [URL_IN_USE] };
  expect(new Topology('default', mq, [])).toMatchObject({
    exchange: 'cacheflow',
    queue: 'cacheflow.retry',
    routingKey: 'retry',
    dlx: 'cacheflow.dlx',
    dlq: 'cacheflow.retry.dead',
  });
  expect(new Topology('orders', mq, [])).toMatchObject({
    queue: 'cacheflow.orders.retry',
    routingKey: 'cacheflow.orders.retry',
    dlq: 'cacheflow.orders.retry.dead',
  });
  expect(new Topology('default', { ...mq, queue: 'mine' }, []).routingKey).toBe('mine');
});
