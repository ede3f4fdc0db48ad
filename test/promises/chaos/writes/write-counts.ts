/** What the writers have done, as far as they know. */
export class WriteCounts {
  transactions = 0;
  /** Asked for, or by the server. */
  rollbacks = 0;
  truncations = 0;
  /** Groups that were rolled back after a temporary table. */
  rolledBackGroups = 0;
  savepointGroups = 0;
  largeGroups = 0;
  xaCommits = 0;
  xaRollbacks = 0;
  /** XA transactions that were prepared when a connection or the server died, and were finished later. */
  xaLeftBehind = 0;
  /** By sessions with other character sets than UTF-8. */
  charsetGroups = 0;
  charsetDdls = 0;
  sequenceCalls = 0;
  /** Into tables without transactions. */
  looseGroups = 0;
  /** Of the few rows that change all the time. */
  hotGroups = 0;
  /** Committed row changes. */
  rows = 0;
}
