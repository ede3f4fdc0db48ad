/** How far the tail is behind the source. */
export interface Lag {
  /** Age of the oldest change that is not applied, as far as the library knows, in milliseconds; 0 when caught up. */
  readonly millis: number;
  /**
   * Binlog bytes that were not applied when the library last asked the source. Undefined before that, and while the
   * applied position and the source are in different binlog files.
   */
  readonly bytes: number | undefined;
}
