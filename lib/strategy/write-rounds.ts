import type { CacheSerializer } from '../options/cache-serializer';
import { RedisRefusedError, errorKind } from '../errors/change.errors';
import type { ErrorReporter } from '../errors/error-reporter';
import type { RowChange } from '../change/stream';
import { canHaveRecord } from '../redis/scripts/record';
import type { RedisConnection } from '../redis/redis-connection';
import type { Versions } from '../redis/version';
import type { VersionedWrite } from '../redis/scripts/versioned-write';
import { nameOf } from '../change/table-name';
import type { VersionedPlan, WritePlan } from './write-plan';

/** What one round trip does. */
export interface Round {
  readonly removals: string[];
  readonly versioned: VersionedWrite[];
}

/** Of one round trip: few enough that neither the app's event loop nor Redis is held for long. */
const KEYS_PER_ROUND = 1_000;
const CHARACTERS_PER_ROUND = 64 * 1024;

/** Turns a plan into round trips. */
export class WriteRounds {
  constructor(
    private readonly redis: RedisConnection,
    private readonly serializer: CacheSerializer,
    private readonly errors: ErrorReporter,
  ) {}

  /** Each key is in one round only. The values are made on the way. */
  *of(plan: WritePlan, versions: Versions): Generator<Round> {
    let round: Round = { removals: [], versioned: [] };
    let characters = 0;
    for (const key of plan.removals) {
      round.removals.push(key);
      if (round.removals.length < KEYS_PER_ROUND) continue;
      yield round;
      round = { removals: [], versioned: [] };
    }
    for (const planned of plan.versioned) {
      if (this.canBeVersioned(planned.key)) {
        const write = this.toWrite(planned, versions);
        round.versioned.push(write);
        characters += write.value?.length ?? 0;
      } else {
        round.removals.push(planned.key);
      }
      const keys = round.removals.length + round.versioned.length;
      if (keys < KEYS_PER_ROUND && characters < CHARACTERS_PER_ROUND) continue;
      yield round;
      round = { removals: [], versioned: [] };
      characters = 0;
    }
    if (round.removals.length + round.versioned.length > 0) yield round;
  }

  /** In a cluster some keys cannot have a record in their slot; they are removed instead of written. */
  canBeVersioned(key: string): boolean {
    return canHaveRecord(this.redis.client, key);
  }

  private toWrite({ key, change, action, ttlSeconds }: VersionedPlan, versions: Versions): VersionedWrite {
    const value = action === 'write' ? this.toText(change) : undefined;
    return { key, version: versions.of(change.position), value, ttlSeconds };
  }

  /** The value of a row; undefined, and reported, where it cannot be made (it is longer than a string may be). */
  private toText(change: RowChange): string | undefined {
    try {
      return this.serializer.serialize(change.after ?? {});
    } catch (cause) {
      const problem = `The row cannot be turned into text (${errorKind(cause)}); its key is removed instead`;
      this.errors.report(new RedisRefusedError(problem, nameOf(change.table), change.position, { cause }));
      return undefined;
    }
  }
}
