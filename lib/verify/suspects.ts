import type { KeyedTable } from '../rows/keyed-table';
import type { Verdict } from '../audit/verdict';
import { verdictOn } from '../audit/verdict';
import { isSame } from '../audit/key-check';
import { readValues } from '../redis/read-values';
import type { FoundRows, RowFinder, WantedKey } from '../rows/row-finder';
import type { CacheSerializer } from '../options/cache-serializer';
import { recordKey } from '../redis/scripts/record';
import { forgetKeys } from '../redis/scripts/forget-keys';
import type { RedisClient } from '../redis/redis-client';
import { sleep } from '../support/abort';
import type { AppliedTime } from './applied-time';
import type { VerifyListener, VerifySummary } from './verify-report';

/** A key that seems to be wrong. */
export interface Suspect extends WantedKey {
  /** The tables whose rows may have the key. */
  readonly tables: readonly KeyedTable[];
}

/** A key is wrong when it was the same and wrong so many times. */
const ROUNDS = 3;
const PAUSE_MILLIS = 200;
/** Keys that change under every look are given up after so many rounds. */
const MAX_ROUNDS = 8;
const MAX_REPORTED = 100_000;

/** What one look at a key saw. */
interface Sight {
  readonly verdict: Verdict;
  readonly text: string | null;
  readonly found: FoundRows;
  readonly table: KeyedTable | undefined;
  /** Whether row, value and version were the same from the first to the last look. */
  readonly isSteady: boolean;
}

/** What is in Redis of a key. */
interface Cached {
  readonly text: string | null;
  readonly version: string | null;
}

const ABSENT: Cached = { text: null, version: null };

/** What it takes to look again. */
export interface SuspectsContext {
  readonly client: RedisClient;
  readonly finder: RowFinder;
  readonly serializer: CacheSerializer;
  readonly applied: AppliedTime;
  readonly listener: VerifyListener;
  readonly summary: VerifySummary;
  /** Remove the keys of what is wrong. */
  readonly repair: boolean;
  readonly signal: AbortSignal;
}

/** Looks again at what seems wrong, so that nothing is reported that was only on its way. */
export class Suspects {
  /** Keys that were reported: a key may come by twice. */
  private readonly reported = new Set<string>();

  constructor(private readonly context: SuspectsContext) {}

  /** Reports those that stay wrong. */
  async confirm(suspects: readonly Suspect[]): Promise<void> {
    // Patterns overlap, and SCAN may repeat itself.
    const named = new Map(suspects.map((suspect) => [suspect.key, suspect]));
    let open = [...named.values()].filter(({ key }) => !this.reported.has(key));
    const before = new Map<string, { sight: Sight; times: number }>();
    for (let round = 0; round < MAX_ROUNDS && open.length > 0; round++) {
      if (round > 0) await sleep(PAUSE_MILLIS, this.context.signal);
      const sights = await this.look(open);
      const faults: { suspect: Suspect; sight: Sight }[] = [];
      open = open.filter((suspect) => {
        const sight = sights.get(suspect.key);
        if (!sight || (sight.verdict !== 'wrong' && sight.isSteady)) return false;
        const last = before.get(suspect.key);
        const isWrong = sight.verdict === 'wrong' && sight.isSteady;
        const isLikeLast = last && last.sight.text === sight.text && isSame(last.sight.found, sight.found);
        const times = isWrong ? (isLikeLast ? last.times : 0) + 1 : 0;
        before.set(suspect.key, { sight, times });
        if (times < ROUNDS) return true;
        faults.push({ suspect, sight });
        return false;
      });
      for (const { suspect, sight } of faults) await this.report(suspect, sight);
    }
    this.context.summary.undecided += open.length;
  }

  private async look(suspects: readonly Suspect[]): Promise<Map<string, Sight>> {
    const before = await this.rowsOf(suspects);
    await this.context.applied.passesNow();
    const first = await this.cachedOf(suspects);
    const after = await this.rowsOf(suspects);
    // A change between the two readings, also one that was undone again, has left its traces now: write-through
    // another version, cache-aside no value.
    await this.context.applied.passesNow();
    const last = await this.cachedOf(suspects);
    const sights = new Map<string, Sight>();
    for (const [index, suspect] of suspects.entries()) {
      const { text, version } = first[index] ?? ABSENT;
      const later = last[index] ?? ABSENT;
      const [a, b] = [before.get(suspect.key) ?? [], after.get(suspect.key) ?? []];
      const { serializer } = this.context;
      const compared = b.map(({ table, found }) => ({
        table,
        found,
        verdict: verdictOn({ table, key: suspect.key, text, serializer }, found),
      }));
      // Of several tables that may have the key, one that agrees is enough, and else the one that has rows counts.
      const best =
        compared.find(({ verdict }) => verdict === 'right') ??
        compared.find(({ verdict }) => verdict === 'incomparable') ??
        compared.find(({ found }) => found.rows.length > 0) ??
        compared[0];
      const isUntouched = later.text === text && later.version === version;
      const isSteady =
        isUntouched && b.every(({ found }, at) => isSame(a[at]?.found ?? { rows: [], isAll: false }, found));
      sights.set(suspect.key, {
        verdict: best?.verdict ?? 'incomparable',
        text,
        found: best?.found ?? { rows: [], isAll: false },
        table: best?.table,
        isSteady,
      });
    }
    return sights;
  }

  /** The values and what stands in the records beside them. */
  private async cachedOf(suspects: readonly Suspect[]): Promise<Cached[]> {
    const prefix = this.context.client.options.keyPrefix ?? '';
    const keys = suspects.map(({ key }) => key);
    const [texts, versions] = await Promise.all([
      readValues(this.context.client, keys),
      readValues(
        this.context.client,
        keys.map((key) => recordKey(key, prefix)),
      ),
    ]);
    return keys.map((_key, index) => ({ text: texts[index] ?? null, version: versions[index] ?? null }));
  }

  /** The rows of each key, by table. */
  private async rowsOf(
    suspects: readonly Suspect[],
  ): Promise<Map<string, { table: KeyedTable; found: FoundRows }[]>> {
    const byTable = new Map<KeyedTable, Suspect[]>();
    for (const suspect of suspects) {
      for (const table of suspect.tables) {
        const group = byTable.get(table);
        if (group) group.push(suspect);
        else byTable.set(table, [suspect]);
      }
    }
    const rows = new Map<string, { table: KeyedTable; found: FoundRows }[]>();
    for (const [table, group] of byTable) {
      for (const [key, found] of await this.context.finder.find(table, group)) {
        const ofKey = rows.get(key);
        if (ofKey) ofKey.push({ table, found });
        else rows.set(key, [{ table, found }]);
      }
    }
    return rows;
  }

  private async report({ key }: Suspect, { table, found }: Sight): Promise<void> {
    const kind = found.rows.length > 0 ? 'stale' : 'orphan';
    if (kind === 'stale') this.context.summary.stale++;
    else this.context.summary.orphans++;
    if (this.reported.size < MAX_REPORTED) this.reported.add(key);
    if (this.context.repair) {
      await forgetKeys(this.context.client, [key]);
      this.context.summary.repaired++;
    }
    this.context.listener.fault({ kind, table: table?.name ?? '', key, repaired: this.context.repair });
  }
}
