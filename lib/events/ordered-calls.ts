/**
 * Runs tasks at the same time up to a limit, but those that share an order key one after another, in the order they
 * came; holds a bounded number of them.
 */
export class OrderedCalls {
  private readonly tails = new Map<string, Promise<void>>();
  private held = 0;
  private running = 0;
  private readonly starters: (() => void)[] = [];
  private readonly roomWaiters: (() => void)[] = [];

  constructor(
    private readonly size: number,
    private readonly concurrency: number,
  ) {}

  /** Tasks that wait or run. */
  get length(): number {
    return this.held;
  }

  /** Resolves when there is room for one more task. */
  async room(): Promise<void> {
    while (this.held >= this.size) await new Promise<void>((resolve) => this.roomWaiters.push(resolve));
  }

  /** Resolves when no task waits or runs. */
  async idle(): Promise<void> {
    while (this.tails.size > 0) await Promise.all(this.tails.values());
  }

  /** Runs the task after all earlier ones that share one of its order keys. The task must not reject. */
  run<T>(orderKeys: readonly string[], task: () => Promise<T>): Promise<T> {
    this.held++;
    const earlier = orderKeys.flatMap((key) => this.tails.get(key) ?? []);
    const result = Promise.all(earlier).then(() => this.limited(task));
    const tail = result.then(() => {
      for (const key of orderKeys) if (this.tails.get(key) === tail) this.tails.delete(key);
      this.held--;
      this.roomWaiters.shift()?.();
    });
    for (const key of orderKeys) this.tails.set(key, tail);
    return result;
  }

  private async limited<T>(task: () => Promise<T>): Promise<T> {
    if (this.running < this.concurrency) this.running++;
    else await new Promise<void>((resolve) => this.starters.push(resolve));
    try {
      return await task();
    } finally {
      // The next one takes over our place, so that the count stays.
      const next = this.starters.shift();
      if (next) next();
      else this.running--;
    }
  }
}
