import { setTimeout as sleep } from 'node:timers/promises';

/** Workers that repeat a step until they are stopped, and stand still in between when they are asked to. */
export class Crew {
  private runs: Promise<void>[] = [];
  private stopped = false;
  private held: Promise<void> | undefined;
  private release: (() => void) | undefined;
  private busy = 0;

  /** The step deals with its own errors; one that it throws comes out of `stop`. */
  constructor(
    private readonly size: number,
    private readonly step: (worker: number) => Promise<void>,
  ) {}

  start(): void {
    this.runs = Array.from({ length: this.size }, (_, worker) => this.run(worker));
    // Seen by `stop`; until then nobody waits for them.
    for (const run of this.runs) run.catch(() => undefined);
  }

  /** Resolves when every worker stands still. */
  async pause(): Promise<void> {
    this.held ??= new Promise((resolve) => {
      this.release = resolve;
    });
    while (this.busy > 0) await sleep(2);
  }

  resume(): void {
    this.held = undefined;
    this.release?.();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.resume();
    await Promise.all(this.runs);
  }

  private async run(worker: number): Promise<void> {
    while (!this.stopped) {
      if (this.held) {
        await this.held;
        continue;
      }
      this.busy++;
      try {
        await this.step(worker);
      } finally {
        this.busy--;
      }
    }
  }
}
