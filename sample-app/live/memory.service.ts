import { Injectable, Logger, type OnModuleDestroy } from '@nestjs/common';
import { Redis } from 'ioredis';

const AWAY_MILLIS = 5_000;

interface Limits {
  maxmemory: string;
  policy: string;
}

/** Lets Redis refuse every value (OOM) for a while, as one does that is full. For a Redis of one's own only. */
@Injectable()
export class MemoryService implements OnModuleDestroy {
  private readonly logger = new Logger(MemoryService.name);
  private before: Limits | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly redis: Redis) {}

  /** For 5 seconds from now; a second call prolongs it. */
  async takeAway(): Promise<void> {
    // In this order on the one connection: what is read is what was there before.
    const [maxmemory, policy] = await Promise.all([
      this.redis.config('GET', 'maxmemory'),
      this.redis.config('GET', 'maxmemory-policy'),
      this.set({ maxmemory: '1', policy: 'noeviction' }),
    ]);
    this.before ??= { maxmemory: valueOf(maxmemory), policy: valueOf(policy) };
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.giveBack(), AWAY_MILLIS);
  }

  /** The service does not leave a full Redis behind. */
  async onModuleDestroy(): Promise<void> {
    clearTimeout(this.timer);
    await this.giveBack();
  }

  /** Never rejects. */
  private async giveBack(): Promise<void> {
    try {
      if (this.before) await this.set(this.before);
    } catch (error) {
      this.logger.error('Redis did not take its memory back; press the button again', error);
    }
  }

  private async set({ maxmemory, policy }: Limits): Promise<void> {
    await Promise.all([
      this.redis.config('SET', 'maxmemory', maxmemory),
      this.redis.config('SET', 'maxmemory-policy', policy),
    ]);
  }
}

/** Out of Redis' answer to CONFIG GET: name, value. */
function valueOf(answer: unknown): string {
  return (answer as [string, string])[1];
}
