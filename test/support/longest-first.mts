import type { TestSpecification } from 'vitest/node';
import { BaseSequencer } from 'vitest/node';

/**
 * The files that take more than ten seconds, from the longest on, with those that wait most between those that work most.
 * It costs nothing but time when a file is missing here.
 */
const LONGEST = [
  'promises/nothing-stale.races-bench',
  'integration/verify/verify',
  'promises/nothing-stale.position-lost',
  'integration/barrier/replica',
  'promises/chaos',
  'promises/chaos-group',
  'e2e/sample-app',
  'e2e/demo',
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
  'promises/nothing-stale.redis-sentinel',
  'promises/nothing-stale.redis-cluster',
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
];
/** Without servers. */
const QUICK = ['unit', 'types', 'docs'];

/** First what needs no servers, then the longest, so that no worker is left alone with one of them at the end. */
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
