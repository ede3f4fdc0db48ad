/** Turns that one side gives and another one takes, each side waiting for the other where it is too far ahead. */
export class Turns {
  private free = 0;
  private ended = false;
  private readonly takers: ((given: boolean) => void)[] = [];
  private readonly givers: (() => void)[] = [];

  /** @param most turns that may be given and not taken yet */
  constructor(private readonly most: number) {}

  /** Resolves once a turn was given, at once as long as there is room. */
  give(): Promise<void> | undefined {
    const taker = this.takers.shift();
    if (taker) {
      taker(true);
      return undefined;
    }
    if (++this.free <= this.most || this.ended) return undefined;
    return new Promise((resolve) => this.givers.push(resolve));
  }

  /** False when there are no more. */
  async take(): Promise<boolean> {
    if (this.free > 0) {
      this.free--;
      this.givers.shift()?.();
      return true;
    }
    if (this.ended) return false;
    return new Promise((resolve) => this.takers.push(resolve));
  }

  /** No more are given; what was given can still be taken. */
  end(): void {
    this.ended = true;
    for (const taker of this.takers.splice(0)) taker(false);
    for (const giver of this.givers.splice(0)) giver();
  }
}
