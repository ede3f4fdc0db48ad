import type { ChangeEvent } from '../events/change-event';

/** What is left to do; together with the options it needs nothing else to be done. */
export type ParkedWork =
  | {
      readonly kind: 'set';
      readonly key: string;
      readonly value: string;
      readonly ttlSeconds: number | undefined;
      readonly version: string;
    }
  | { readonly kind: 'remove'; readonly key: string; readonly version: string; readonly tombstone: boolean }
  | {
      readonly kind: 'flush';
      readonly schema: string | undefined;
      readonly table: string | undefined;
      readonly version: string;
    }
  | {
      readonly kind: 'strategy';
      readonly event: ChangeEvent;
      readonly keys: readonly string[];
      readonly version: string;
    }
  | { readonly kind: 'handler'; readonly handler: string; readonly event: ChangeEvent };

/** A command that could not be done when its turn came. */
export interface ParkedCommand {
  readonly id: string;
  readonly work: ParkedWork;
  /** `schema.table`; undefined where any table may be concerned. */
  readonly table: string | undefined;
  readonly position: { readonly file: string; readonly offset: number };
  /** A reply's code or the kind of an error, never a value. */
  readonly reason: string;
  /** Attempts made so far. */
  readonly attempts: number;
  /** Milliseconds since 1970. */
  readonly parkedAt: number;
}

/**
 * Does a parked command again; done also when it has become needless. Waits by itself while Redis as a whole is
 * away; rejects only with the signal's reason.
 */
export type RetryExecutor = (command: ParkedCommand, signal: AbortSignal) => Promise<RetryResult>;
export type RetryResult = { readonly done: true } | { readonly done: false; readonly reason: string };
