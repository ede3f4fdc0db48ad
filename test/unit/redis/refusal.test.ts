import { expect, it } from 'vitest';
import { TailFaults } from '../../../lib/binlog/tail-faults';
import type { ResumePoint } from '../../../lib/binlog/resume-point';
import { resolveConfig } from '../../../lib/config/cacheflow.config';
import { ErrorReporter } from '../../../lib/errors/error-reporter';
import type { RedisConnection } from '../../../lib/redis/redis-connection';
import { RedisHold } from '../../../lib/redis/redis-hold';
import { replyError } from '../../../lib/redis/redis-writer';

const config = resolveConfig({ mysql: { user: 'x' }, redis: {}, tables: [] });
const faults = new TailFaults({ name: 'default', config }, {} as ResumePoint);

it('what Redis refuses to the tail is not taken for a fault of the source', async () => {
  const refusal = replyError("NOPERM User reader has no permissions to run the 'evalsha' command");
  const hold = new RedisHold({ client: {} } as RedisConnection, new ErrorReporter('test'));
  const asked = hold.ask(new AbortController().signal, async () => Promise.reject(refusal));
  const error: unknown = await asked.catch((cause: unknown) => cause);
  const report = faults.read(error, { serverId: 1, isChecked: true });
  expect(report?.code).toBe('CACHEFLOW_REDIS_UNAVAILABLE');
  expect(report?.message).toContain('NOPERM');
  expect(report?.message).not.toContain('127.0.0.1');
});
