import type { TestSpecification } from 'vitest/node';
import { BaseSequencer } from 'vitest/node';

/** The files that take longest, from half a minute up: what starts last must not be one of them. */
const LONGEST = [
  'promises/nothing-stale.races-bench',
  'integration/verify/verify',
  'promises/nothing-stale.position-lost',
  'integration/barrier/replica',
  'promises/chaos',
  'e2e/sample-app',
  'integration/rabbitmq/broker-faults',
  'promises/failure-is-loud.connections',
  'integration/binlog/statement-comments',
  'promises/at-least-once.crash',
  'integration/retry/rules',
  'integration/cache/alone',
  'integration/retry/rabbitmq',
  'integration/audit/audit',
  'promises/at-least-once.resume',
  'integration/verify/million',
  'promises/nothing-stale.redis-rewind',
  'promises/nothing-stale.commit-stall',
  'integration/support/servers',
  'integration/binlog/statement-charset',
  'integration/binlog/gtid-modes',
  'integration/preflight/hidden-faults',
  'integration/cache/cached',
  'promises/replay-is-harmless.versions',
  'promises/nothing-stale.ddl',
  'promises/nothing-stale.readers-and-tail',
  'promises/host-app-is-safe.secrets',
  'e2e/demo',
];
/** Done first, so that a plain fault shows at once. */
const QUICK = ['unit', 'types', 'docs'];

/** Puts the longest files first, so that all workers end at the same time. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return files
      .map((file) => ({ file, place: placeOf(file) }))
      .sort((a, b) => a.place - b.place)
      .map(({ file }) => file);
  }
}

function placeOf({ project, moduleId }: TestSpecification): number {
  if (QUICK.includes(project.name)) return -1;
  const at = LONGEST.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`));
  return at < 0 ? LONGEST.length : at;
}
