/** The transactions that were applied; grows as the stream goes on. */
export interface GtidTracker {
  /** Adds one transaction: `uuid:5`, `uuid:tag:5` or `0-1-5`. */
  add(gtid: string): void;
  toString(): string;
}
