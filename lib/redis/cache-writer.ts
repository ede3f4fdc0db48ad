import { Inject, Injectable } from '@nestjs/common';
import { canHaveRecord, recordKey } from './scripts/record';
import { RedisConnection } from './redis-connection';
import { RedisHold, RedisHangsUpError } from './redis-hold';
import type { CacheWrites, WriteOutcome } from './redis-writer';
import { writeKeys } from './redis-writer';
import { RewindGuard } from './rewind-guard';
import type { VersionedWrite, WriteRefusal } from './scripts/versioned-write';

type Refusals = ReadonlyMap<string, WriteRefusal>;

/** Does what has to be done to the cache, and finds out exactly what Redis does not take. */
@Injectable()
export class CacheWriter {
  constructor(
    @Inject(RedisConnection) private readonly redis: RedisConnection,
    @Inject(RedisHold) private readonly hold: RedisHold,
    @Inject(RewindGuard) private readonly guard: RewindGuard,
  ) {}

  /**
   * One round trip. Waits while Redis is away; resolves with the keys that Redis refuses also when asked for each
   * alone.
   *
   * @throws RedisRewoundError when Redis has lost earlier writes
   */
  async round(writes: CacheWrites, signal: AbortSignal): Promise<Refusals> {
    const refusals = await this.send(writes, signal);
    return refusals.size === 0 ? refusals : this.eachAlone(writes, refusals, signal);
  }

  /**
   * Makes the leases of keys worth nothing, before somebody else writes to them. Waits while Redis is away; resolves with
   * whether it allowed that.
   *
   * @throws RedisRewoundError when Redis has lost earlier writes
   */
  async endLeases(keys: readonly string[], signal: AbortSignal): Promise<boolean> {
    const { client } = this.redis;
    const prefix = client.options.keyPrefix ?? '';
    const removals = keys.filter((key) => canHaveRecord(client, key)).map((key) => recordKey(key, prefix));
    return (await this.round({ removals }, signal)).size === 0;
  }

  private async send(writes: CacheWrites, signal: AbortSignal): Promise<Refusals> {
    try {
      return await this.hold.run(signal, async () => {
        const { refusals, scriptUnknown } = await this.once(writes, false);
        // Only now, when the count of the first time was looked at: another one would hide that Redis has gone back.
        return scriptUnknown ? (await this.once(writes, true)).refusals : refusals;
      });
    } catch (cause) {
      if (!(cause instanceof RedisHangsUpError)) throw cause;
      return this.halves(writes, signal);
    }
  }

  private async once(writes: CacheWrites, inFull: boolean): Promise<WriteOutcome> {
    return this.guard.watch((counter) =>
      writeKeys(this.redis.client, counter === undefined ? writes : { ...writes, counter }, inFull),
    );
  }

  /** Redis does not stand one of the commands: it is found by halving. */
  private async halves(
    { removals = [], versioned = [] }: CacheWrites,
    signal: AbortSignal,
  ): Promise<Refusals> {
    if (removals.length + versioned.length <= 1) {
      const key = removals[0] ?? versioned[0]?.key;
      return new Map(key === undefined ? [] : [[key, { message: 'HANGUP', removed: false }]]);
    }
    const half = (length: number): number => Math.ceil(length / 2);
    const parts: CacheWrites[] =
      removals.length > 0 && versioned.length > 0
        ? [{ removals }, { versioned }]
        : [
            {
              removals: removals.slice(0, half(removals.length)),
              versioned: versioned.slice(0, half(versioned.length)),
            },
            {
              removals: removals.slice(half(removals.length)),
              versioned: versioned.slice(half(versioned.length)),
            },
          ];
    const refusals = new Map<string, WriteRefusal>();
    for (const part of parts) {
      for (const [key, refusal] of await this.send(part, signal)) refusals.set(key, refusal);
    }
    return refusals;
  }

  /** A command for many keys is refused as a whole when one of them is. */
  private async eachAlone(writes: CacheWrites, refusals: Refusals, signal: AbortSignal): Promise<Refusals> {
    const versioned = new Map(writes.versioned?.map((write) => [write.key, write]));
    const found = await Promise.all(
      [...refusals].map(async ([key, refusal]) => {
        const last = refusal.removed ? refusal : await this.alone(key, versioned.get(key), signal);
        return last && ([key, last] as const);
      }),
    );
    return new Map(found.filter((entry) => entry !== undefined));
  }

  /** The value that Redis does not take is removed, because what stands there is no longer right. */
  private async alone(
    key: string,
    write: VersionedWrite | undefined,
    signal: AbortSignal,
  ): Promise<WriteRefusal | undefined> {
    const refused = write && (await this.send({ versioned: [write] }, signal)).get(key);
    if (write && (!refused || refused.removed)) return refused;
    // Its record goes too, which would prove to a late retry of an older change that nothing newer was done.
    const kept = (await this.send({ removals: [key] }, signal)).get(key);
    return kept ?? (refused && { message: refused.message, removed: true });
  }
}
