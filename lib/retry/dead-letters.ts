import type { ParkedWork } from './parked-command';

/** A command that was given up on, kept for a person. */
export interface DeadLetter {
  readonly id: string;
  /** What was to be done; `unreadable` for a message that is none of ours. */
  readonly kind: ParkedWork['kind'] | 'unreadable';
  /** The Redis key, of a `set` or `remove`. */
  readonly key?: string;
  /** `schema.table`. */
  readonly table?: string;
  /** `Class.method`, of a `handler`. */
  readonly handler?: string;
  /** Where the change stands in the binlog; undefined for an unreadable message. */
  readonly position: { readonly file: string; readonly offset: number } | undefined;
  /** A reply code of Redis or the kind of an error. */
  readonly reason: string;
  readonly attempts: number;
  readonly parkedAt: Date;
  readonly deadAt: Date;
}

/** The commands that were given up on: in RabbitMQ's dead-letter queue, or in a stream in Redis without it. */
export interface DeadLetters {
  /**
   * The oldest first.
   *
   * @param options.limit 100 by default
   */
  list(options?: { limit?: number }): Promise<DeadLetter[]>;
  /** Has them tried again from the first attempt on; resolves with how many were found. */
  requeue(...ids: string[]): Promise<number>;
  /** Removes them for good; resolves with how many were found. */
  discard(...ids: string[]): Promise<number>;
}
