import type { ParkedWork } from './parked-command';

/** A command that the library gave up on. It waits until a person requeues or discards it. */
export interface DeadLetter {
  readonly id: string;
  /** The kind of work; `unreadable` for a message that the library did not write. */
  readonly kind: ParkedWork['kind'] | 'unreadable';
  /** The Redis key of a `set` or `remove`. */
  readonly key?: string;
  /** `schema.table`. */
  readonly table?: string;
  /** `Class.method` of a `handler`. */
  readonly handler?: string;
  /** The position of the change in the binlog; undefined for an unreadable message. */
  readonly position: { readonly file: string; readonly offset: number } | undefined;
  /** A Redis reply code or the kind of an error. */
  readonly reason: string;
  /** The number of attempts so far. */
  readonly attempts: number;
  /** When the library parked the command. */
  readonly parkedAt: Date;
  /** When the library gave up on the command. */
  readonly deadAt: Date;
}

/**
 * The commands that the library gave up on. With RabbitMQ, they are in its dead-letter queue. Otherwise they are in a
 * stream in Redis.
 */
export interface DeadLetters {
  /**
   * Lists the dead letters, the oldest first.
   *
   * @param options.limit the largest number of dead letters to list; 100 by default
   * @throws RetryUnavailableError if RabbitMQ is out of reach
   */
  list(options?: { limit?: number }): Promise<DeadLetter[]>;
  /**
   * Tries the dead letters again, starting from the first attempt. Resolves with the number of dead letters that it
   * found.
   *
   * @throws RetryUnavailableError if RabbitMQ is out of reach
   */
  requeue(...ids: string[]): Promise<number>;
  /**
   * Removes the dead letters for good. Resolves with the number of dead letters that it found.
   *
   * @throws RetryUnavailableError if RabbitMQ is out of reach
   */
  discard(...ids: string[]): Promise<number>;
}
