import { afterAll, afterEach, beforeAll } from 'vitest';
import type { Member, MemberOptions } from './distribution-harness';
import { startMember } from './distribution-harness';
import type { RabbitMqServer, RedisServer } from './servers';
import { startRabbitmq, startRedis } from './servers';

/** A broker and a Redis for the tests of a file, and the members that a test starts on them. */
export class DistributionStage {
  private rabbit!: RabbitMqServer;
  private redis!: RedisServer;
  readonly running: Member[] = [];

  /** Registers what starts and ends them. */
  constructor() {
    beforeAll(async () => {
      [this.rabbit, this.redis] = await Promise.all([startRabbitmq(), startRedis()]);
    });
    afterEach(async () => {
      await Promise.all(this.running.splice(0).map((each) => each.stop()));
    });
    afterAll(async () => {
      await Promise.all([this.rabbit?.dispose(), this.redis?.dispose()]);
    });
  }

  get url(): string {
    return this.rabbit.url;
  }

  /** Starts one that is stopped after the test; it may be stopped before. */
  async member(options: Omit<MemberOptions, 'url' | 'redisPort'>): Promise<Member> {
    const made = await startMember({ url: this.url, redisPort: this.redis.port, ...options });
    this.running.push(made);
    return made;
  }
}
