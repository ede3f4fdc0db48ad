import type { RedisConnection } from '../redis/redis-connection';
import type { RedisHold } from '../redis/redis-hold';
import { raiseTerm } from '../redis/scripts/distribution';

/**
 * Tells the changes of a deposed leader, which may come late: those of a lower term than one before them in their
 * partition. Their change is not lost: the successor has published it as well, because the deposed leader could no
 * longer save a checkpoint behind it.
 */
export class TermFence {
  private highest: number | undefined;

  constructor(
    private readonly context: {
      readonly name: string;
      readonly redis: RedisConnection;
      readonly hold: RedisHold;
    },
    private readonly queue: string,
  ) {}

  /** Another process may have had the partition meanwhile. */
  forget(): void {
    this.highest = undefined;
  }

  /** Whether admitting the term would shut out what is of an earlier one. */
  wouldRaise(term: number): boolean {
    return this.highest !== undefined && term > this.highest;
  }

  /** Whether the change is one of the present leader, as far as the partition knows. Waits for Redis when it is away. */
  async admits(term: number, signal: AbortSignal): Promise<boolean> {
    // From a process that takes part in no election, though there may have been a group before it.
    if (term === 0) return true;
    if (this.highest === undefined || term > this.highest) this.highest = await this.raise(term, signal);
    return term >= this.highest;
  }

  private async raise(term: number, signal: AbortSignal): Promise<number> {
    const { name, redis, hold } = this.context;
    return hold.run(signal, () => raiseTerm(redis.client, name, this.queue, term));
  }
}
