import type { CacheflowConfig } from '../config/cacheflow.config';
import { CacheStrategy } from '../options/cacheflow.options';
import type { ErrorReporter } from '../errors/error-reporter';
import type { FlushPattern } from '../redis/key-flush';
import { flushPatterns } from '../redis/key-flush';
import type { RedisConnection } from '../redis/redis-connection';
import type { RedisHold } from '../redis/redis-hold';
import { isRefusal } from '../redis/redis-writer';
import { flushPatternsOf } from '../keys/flush-patterns';

/** Whose keys are to be removed: those of a table, of a database, or of everything that is watched. */
export interface FlushScope {
  readonly schema: string | undefined;
  readonly table: string | undefined;
}

/** A flush in progress. */
export interface FlushProgress {
  /** `schema.table`, the bare schema name for all tables of a database, or `*` for all watched tables. */
  readonly of: string;
  /** When the flush began, in milliseconds since 1970. */
  readonly since: number;
  /** Keys removed so far. */
  readonly removed: number;
}

/** A flush of many keys says how far it is after each time of this. */
const REPORT_INTERVAL_MILLIS = 5_000;

/** Removes all keys that tables can have produced. */
export class TableFlusher {
  /** Undefined while nothing is being flushed. */
  progress: FlushProgress | undefined;
  /** Keys removed since the start. */
  removed = 0;

  constructor(
    private readonly config: CacheflowConfig,
    private readonly redis: RedisConnection,
    private readonly hold: RedisHold,
    private readonly errors: ErrorReporter,
  ) {}

  /** Waits while Redis is away. Resolves with Redis's reply where it refuses to scan or to remove. */
  async flush(scope: FlushScope, version: string, signal: AbortSignal): Promise<Error | undefined> {
    const patterns = this.patternsOf(scope, version);
    if (patterns.length === 0) return undefined;
    const of = [scope.schema, scope.table].filter((name) => name !== undefined).join('.') || '*';
    this.progress = { of, since: Date.now(), removed: 0 };
    let reportedAt = Date.now();
    try {
      await this.hold.run(signal, () =>
        flushPatterns(this.redis.client, patterns, (keys) => {
          this.removed += keys;
          this.progress = {
            of,
            since: this.progress?.since ?? 0,
            removed: (this.progress?.removed ?? 0) + keys,
          };
          if (Date.now() - reportedAt < REPORT_INTERVAL_MILLIS) return;
          reportedAt = Date.now();
          this.errors.info(`Removing all keys of ${nameOfScope(of)}: ${this.progress.removed} so far`);
        }),
      );
      this.errors.info(`Removed all keys of ${nameOfScope(of)}: ${this.progress.removed}`);
      return undefined;
    } catch (cause) {
      if (!isRefusal(cause)) throw cause;
      return cause;
    } finally {
      this.progress = undefined;
    }
  }

  /** Write-through tables leave the version behind, so that no older change can write a key again. */
  private patternsOf({ schema, table }: FlushScope, version: string): FlushPattern[] {
    const found = new Map<string, FlushPattern>();
    const target = schema === undefined ? undefined : { schema, table };
    for (const { pattern, rule } of flushPatternsOf(this.config.rules, target)) {
      const leaves = rule.strategy === CacheStrategy.WriteThrough ? version : undefined;
      if (!found.get(pattern)?.version) found.set(pattern, { pattern, version: leaves });
    }
    return [...found.values()];
  }
}

function nameOfScope(of: string): string {
  return of === '*' ? 'all watched tables' : of;
}
