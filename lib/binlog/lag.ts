/** How far the tail is behind the source. */
export interface Lag {
  /** Age of the oldest change that is not applied, as far as it is known, in milliseconds; 0 when caught up. */
  readonly millis: number;
  /** Binlog bytes that were not applied when the source was last asked; undefined before that. */
  readonly bytes: number | undefined;
}
