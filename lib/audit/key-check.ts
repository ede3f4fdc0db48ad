import type { TableName } from '../change/table-name';
import type { WatchedKeys } from '../strategy/watched-keys';
import { Backoff } from '../support/backoff';
import type { FoundRows, WantedKey } from '../rows/row-finder';
import { fingerprint } from '../rows/row-finder';
import type { Verdict } from './verdict';

/** What a key comes to; `undecided`: it was changed whenever somebody looked. */
export type CheckResult = Verdict | 'undecided';

/** What a check asks; each rejects while the one who is asked is away. */
export interface CheckSource {
  /** The cached texts, null where a key is absent. */
  values(keys: readonly string[]): Promise<readonly (string | null)[]>;
  rows(wanted: readonly WantedKey[]): Promise<ReadonlyMap<string, FoundRows>>;
  verdictOn(key: string, text: string | null, found: FoundRows): Verdict;
  /** Resolves when everything that was committed before the call is applied. */
  caughtUp(): Promise<void>;
}

/** So often a key is looked at that seems to be wrong, before it counts as undecided. */
const ATTEMPTS = 8;

const NO_ROWS: FoundRows = { rows: [], isAll: false };

/**
 * Compares cached values with the rows of one table. Only what differs while neither the tail nor anybody else touches
 * the key or the row is wrong.
 */
export class KeyCheck {
  constructor(
    private readonly source: CheckSource,
    private readonly watched: WatchedKeys,
    private readonly table: TableName,
    private readonly signal: AbortSignal,
  ) {}

  /** Rejects when the source, Redis or the tail is away, and when the signal is aborted. */
  async run(wanted: readonly WantedKey[]): Promise<ReadonlyMap<string, CheckResult>> {
    const results = new Map<string, CheckResult>(wanted.map(({ key }) => [key, 'undecided']));
    // Most keys are absent or right at first sight.
    let suspects = await this.glance(wanted, results);
    const backoff = new Backoff({ minMillis: 20, maxMillis: 1_000 });
    for (let attempt = 0; attempt < ATTEMPTS && suspects.length > 0; attempt++) {
      if (attempt > 0) await backoff.wait(this.signal);
      suspects = await this.confirm(suspects, results);
    }
    return results;
  }

  /** What is cached now; what seems wrong may be on its way. Gives back what seems so. */
  private async glance(
    wanted: readonly WantedKey[],
    results: Map<string, CheckResult>,
  ): Promise<WantedKey[]> {
    const texts = await this.textsOf(wanted);
    const present = wanted.filter(({ key }) => texts.get(key) !== null);
    const found = present.length > 0 ? await this.source.rows(present) : new Map<string, FoundRows>();
    return wanted.filter(({ key }) => {
      const verdict = this.source.verdictOn(key, texts.get(key) ?? null, found.get(key) ?? NO_ROWS);
      if (verdict !== 'wrong') results.set(key, verdict);
      return verdict === 'wrong';
    });
  }

  /** Gives back those that cannot be decided now. */
  private async confirm(
    suspects: readonly WantedKey[],
    results: Map<string, CheckResult>,
  ): Promise<WantedKey[]> {
    const watches = suspects.map(({ key }) => this.watched.watch(key, this.table));
    try {
      const before = await this.source.rows(suspects);
      // What these rows became by has reached the cache now, also what was on its way before the watches began.
      await this.source.caughtUp();
      const texts = await this.textsOf(suspects);
      const after = await this.source.rows(suspects);
      // A change between the two readings, also one that was undone again, has reached the watches now.
      await this.source.caughtUp();
      return suspects.filter(({ key }, index) => {
        const found = after.get(key) ?? NO_ROWS;
        const verdict = this.source.verdictOn(key, texts.get(key) ?? null, found);
        const isSteady = !watches[index]?.isTouched && isSame(before.get(key) ?? NO_ROWS, found);
        if (verdict === 'wrong' && !isSteady) return true;
        results.set(key, verdict);
        return false;
      });
    } finally {
      for (const watch of watches) watch.end();
    }
  }

  private async textsOf(wanted: readonly WantedKey[]): Promise<Map<string, string | null>> {
    const texts = await this.source.values(wanted.map(({ key }) => key));
    return new Map(wanted.map(({ key }, index) => [key, texts[index] ?? null]));
  }
}

/** Whether two readings found the same rows. */
export function isSame(a: FoundRows, b: FoundRows): boolean {
  const text = ({ rows }: FoundRows): string => rows.map(fingerprint).sort().join('\n');
  return text(a) === text(b);
}
