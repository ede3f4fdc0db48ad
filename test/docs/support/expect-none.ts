import { expect } from 'vitest';

/** Fails with all problems, one a line. */
export function expectNone(problems: readonly string[]): void {
  if (problems.length > 0) expect.fail(problems.join('\n'));
}
