/** How long a command waits before its next attempt: `backoffMillis * 2^n`, at most `maxBackoffMillis`. */
export class BackoffLevels {
  constructor(
    private readonly options: {
      readonly maxAttempts: number;
      readonly backoffMillis: number;
      readonly maxBackoffMillis: number;
    },
  ) {}

  /** Every wait that can occur, each once, in milliseconds. */
  get all(): readonly number[] {
    const { maxAttempts, maxBackoffMillis } = this.options;
    const levels: number[] = [];
    for (let attempts = 1; attempts < Math.max(2, maxAttempts); attempts++) {
      levels.push(this.after(attempts));
      if (levels.at(-1) === maxBackoffMillis) break;
    }
    return levels;
  }

  /** The wait after so many attempts, in milliseconds. */
  after(attempts: number): number {
    const { backoffMillis, maxBackoffMillis } = this.options;
    return Math.min(backoffMillis * 2 ** Math.max(0, attempts - 1), maxBackoffMillis);
  }
}

/** Between a half and the whole of it, at random, so that what failed together is not tried again together. */
export function jittered(millis: number): number {
  return Math.ceil(millis * (0.5 + Math.random() / 2));
}
