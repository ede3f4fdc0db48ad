/**
 * One key whose value is wrong.
 *
 * - `stale`: it differs from its row
 * - `orphan`: no row has the key
 */
export interface VerifyFault {
  readonly kind: 'stale' | 'orphan';
  /** `schema.table`. */
  readonly table: string;
  readonly key: string;
  /** Whether it was removed. */
  readonly repaired: boolean;
}

/** What a verification came to; counts are of keys unless they say otherwise. */
export interface VerifySummary {
  tables: number;
  rows: number;
  /** Keys that the rows have. */
  keys: number;
  /** Those of them that are cached. */
  cached: number;
  /** Those that cannot be compared with their row. */
  incomparable: number;
  /** Keys in Redis that match the form of a table's keys, whether a row has them or not. */
  scanned: number;
  /** Keys that match a pattern and can be no row's key, or cannot be turned back into columns. */
  unassigned: number;
  stale: number;
  orphans: number;
  /** Keys that seemed wrong and changed whenever they were looked at. */
  undecided: number;
  repaired: number;
  /** Tables that were left out, wholly or in part, each with the reason. */
  readonly skipped: string[];
}

/** Who is told while it goes on. */
export interface VerifyListener {
  fault(fault: VerifyFault): void;
  warn(message: string): void;
  /** How far it is; called often. */
  progress(what: string): void;
}

export function emptySummary(): VerifySummary {
  return {
    tables: 0,
    rows: 0,
    keys: 0,
    cached: 0,
    incomparable: 0,
    scanned: 0,
    unassigned: 0,
    stale: 0,
    orphans: 0,
    undecided: 0,
    repaired: 0,
    skipped: [],
  };
}
