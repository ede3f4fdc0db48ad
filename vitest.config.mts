import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/support/longest-first.mjs';

/** Projects whose files start real servers, several each. */
const REAL_SERVERS = {
  pool: 'forks',
  testTimeout: 60_000,
  hookTimeout: 120_000,
  env: { CACHEFLOW_IN_MEMORY: '1' },
} as const;

/** What runs on every kind of Redis in each run; the whole is `npm run test:redis -- --redis <name>`. */
const ON_EVERY_REDIS = ['test/integration/strategy/*.test.ts', 'test/integration/retry/in-place.test.ts'];

export default defineConfig({
  test: {
    globalSetup: 'test/support/build-run-tree.ts',
    // More than processors: much of the time is spent in waiting for a server, a watchdog or a report.
    maxWorkers: 4,
    sequence: { sequencer: LongestFirst },
    projects: [
      { extends: true, test: { name: 'unit', include: ['test/unit/**/*.test.ts'] } },
      { extends: true, test: { name: 'docs', include: ['test/docs/**/*.test.ts'] } },
      { extends: true, test: { name: 'types', include: ['test/types/**/*.test.ts'] } },
      {
        extends: true,
        test: { ...REAL_SERVERS, name: 'integration', include: ['test/integration/**/*.test.ts'] },
      },
      {
        extends: true,
        test: { ...REAL_SERVERS, name: 'promises', include: ['test/promises/**/*.test.ts'] },
      },
      { extends: true, test: { ...REAL_SERVERS, name: 'e2e', include: ['test/e2e/**/*.test.ts'] } },
      ...['cluster', 'sentinel', 'valkey'].map((redis) => ({
        extends: true as const,
        test: {
          ...REAL_SERVERS,
          name: `redis-${redis}`,
          include: ON_EVERY_REDIS,
          env: { ...REAL_SERVERS.env, CACHEFLOW_TEST_REDIS: redis },
        },
      })),
    ],
  },
});
