// What `npm run test:redis -- --redis <name>` runs: the tests whose outcome may depend on how Redis is run.

export const TOPOLOGIES = ['single', 'cluster', 'sentinel', 'valkey'];

const EVERYWHERE = [
  'test/integration/cache/',
  'test/integration/checkpoint/',
  'test/integration/redis/',
  'test/integration/strategy/',
  'test/integration/retry/in-place.test.ts',
  'test/integration/engine/shared-redis.test.ts',
  'test/integration/audit/',
  'test/promises/at-least-once.',
  'test/promises/nothing-stale.',
  'test/promises/replay-is-harmless.',
  'test/promises/failure-is-loud.changes.test.ts',
];

/** About the settings, the process or the data of one server. */
const ON_ONE_SERVER = [
  'test/integration/cache/outage.test.ts',
  'test/integration/redis/redis-returns.test.ts',
  'test/promises/nothing-stale.redis-rewind.test.ts',
];
const ONLY_ON_ONE_SERVER = [
  'test/integration/retry/rules.test.ts',
  'test/integration/verify/',
  'test/promises/failure-is-loud.connections.test.ts',
];

/** The arguments of vitest. */
export function redisSuite(topology) {
  const projects = ['--project', 'integration', '--project', 'promises'];
  if (topology === 'single' || topology === 'valkey')
    return [...projects, ...EVERYWHERE, ...ONLY_ON_ONE_SERVER];
  return [...projects, ...ON_ONE_SERVER.flatMap((file) => ['--exclude', file]), ...EVERYWHERE];
}
