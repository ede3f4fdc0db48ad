import { expect, it } from 'vitest';
import { resolveConfig } from '../../../lib/config/cacheflow.config';
import type { ResumePoint } from '../../../lib/binlog/resume-point';
import { TailFaults } from '../../../lib/binlog/tail-faults';
import { replyError } from '../../../lib/redis/redis-writer';

const config = resolveConfig({ mysql: { user: 'x' }, redis: {}, tables: [] });
const faults = new TailFaults({ name: 'default', config }, {} as ResumePoint);

it('what Redis refuses to the tail is not taken for a fault of the source', () => {
  const refusal = replyError("NOPERM User reader has no permissions to run the 'evalsha' command");
  const report = faults.read(refusal, { serverId: 1, isChecked: true });
  expect(report?.code).toBe('CACHEFLOW_REDIS_UNAVAILABLE');
  expect(report?.message).toContain('NOPERM');
  expect(report?.message).not.toContain('127.0.0.1');
});
