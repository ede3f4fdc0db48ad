/** How the auditor is doing; counts are of keys, since the start of the process. */
export interface AuditStatus {
  /** Changes whose checks wait for their time. */
  readonly pending: number;
  /** Changes that were drawn and not taken, because too many waited (`audit.maxPending`). */
  readonly skipped: number;
  /** One for each of `audit.horizonsMillis`. */
  readonly horizons: readonly AuditHorizon[];
}

/** What the checks of one horizon came to. */
export interface AuditHorizon {
  /** The horizon: time from the change to the check, in milliseconds. */
  readonly millis: number;
  /** Keys that were looked at, whatever came of it. */
  readonly checked: number;
  /** Keys whose value was wrong; each was reported. */
  readonly faults: number;
  /** Keys that changed whenever they were looked at. */
  readonly undecided: number;
  /** Keys whose value cannot be compared with the row. */
  readonly incomparable: number;
  /** Faulty keys that were removed (`audit.repair`). */
  readonly repaired: number;
}
