/** What the auditor found since the start of the process. The counts of each horizon are of keys. */
export interface AuditStatus {
  /** Changes that wait until it is time for their checks. */
  readonly pending: number;
  /**
   * Changes that the auditor selected but skipped, because too many were waiting (`audit.maxPending`), or because another
   * process of the group took over.
   */
  readonly skipped: number;
  /** One entry for each of `audit.horizonsMillis`. */
  readonly horizons: readonly AuditHorizon[];
}

/** The results of the checks of one horizon. */
export interface AuditHorizon {
  /** The horizon: the time from the change to the check, in milliseconds. */
  readonly millis: number;
  /** Keys that the auditor checked, with any result. */
  readonly checked: number;
  /** Keys whose value was wrong. The library reported each of them. */
  readonly faults: number;
  /** Keys that changed at every check. */
  readonly undecided: number;
  /** Keys whose value the auditor cannot compare with the row. */
  readonly incomparable: number;
  /** Faulty keys that the auditor removed (`audit.repair`). */
  readonly repaired: number;
}
