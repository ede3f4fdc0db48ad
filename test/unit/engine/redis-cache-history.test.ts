import { expect, it } from 'vitest';
import { TailFaults } from '../../../lib/binlog/tail-faults';
import type { ResumePoint } from '../../../lib/binlog/resume-point';
import { resolveConfig } from '../../../lib/config/cacheflow.config';
import { RedisCacheHistory } from '../../../lib/engine/redis-cache-history';
import type { CacheHistoryContext } from '../../../lib/engine/redis-cache-history';
import { replyError } from '../../../lib/redis/redis-writer';

const config = resolveConfig({ mysql: { user: 'x' }, redis: {}, tables: [] });
const faults = new TailFaults({ name: 'default', config }, {} as ResumePoint);

it('what Redis refuses to the tail is not taken for a fault of the source', async () => {
  const refusal = replyError("NOPERM User reader has no permissions to run the 'evalsha' command");
  const refusing = { hold: { run: async () => Promise.reject(refusal) } } as unknown as CacheHistoryContext;
  const asked = new RedisCacheHistory(refusing).checkRewind(new AbortController().signal);
  const error: unknown = await asked.catch((cause: unknown) => cause);
  const report = faults.read(error, { serverId: 1, isChecked: true });
  expect(report?.code).toBe('CACHEFLOW_REDIS_UNAVAILABLE');
  expect(report?.message).toContain('NOPERM');
  expect(report?.message).not.toContain('127.0.0.1');
});
