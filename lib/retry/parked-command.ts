import type { BinlogPlace } from '../change/position';
import type { ChangeEvent } from '../change/change-event';

/** What is to be done again. */
export type ParkedWork =
  | {
      readonly kind: 'set';
      readonly key: string;
      readonly value: string;
      readonly ttlSeconds: number | undefined;
      readonly version: string;
    }
  | { readonly kind: 'remove'; readonly key: string; readonly version: string; readonly tombstone: boolean }
  /** SCAN or UNLINK was refused. Without names: all watched tables. */
  | {
      readonly kind: 'flush';
      readonly schema: string | undefined;
      readonly table: string | undefined;
      readonly version: string;
    }
  /** A custom TableStrategy threw. */
  | {
      readonly kind: 'strategy';
      readonly event: ChangeEvent;
      readonly keys: readonly string[];
      readonly version: string;
    }
  /** An `@OnBinlog` handler, `Class.method`, kept failing. */
  | { readonly kind: 'handler'; readonly handler: string; readonly event: ChangeEvent };

/** A command that failed, with all that is needed to do it again on any process of the group. */
export interface ParkedCommand {
  /** A random UUID. */
  readonly id: string;
  readonly work: ParkedWork;
  /** `schema.table`. */
  readonly table: string | undefined;
  readonly position: BinlogPlace;
  /** A reply code or the kind of an error, never values. */
  readonly reason: string;
  /** Attempts made so far; those of a handler count from when it was parked. */
  readonly attempts: number;
  /** Milliseconds since 1970. */
  readonly parkedAt: number;
}

export type RetryResult = { readonly done: true } | { readonly done: false; readonly reason: string };

/**
 * Does a parked command again. `done` also when it had become needless. It waits by itself while Redis as a whole is
 * away; it rejects only when the signal is aborted.
 */
export type RetryExecutor = (command: ParkedCommand, signal: AbortSignal) => Promise<RetryResult>;
