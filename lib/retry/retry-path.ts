import type { ConfigurationFault } from '../errors/configuration.error';
import type { DeadLetters } from './dead-letters';
import type { ParkedCommand, RetryResult } from './parked-command';

/** Counts since the start of the process. */
export interface RetryCounters {
  /** Commands that the library parked to try them again. */
  parked: number;
  /** Commands that a later attempt completed. */
  retried: number;
  /** Commands that the library gave up on and kept as dead letters. */
  deadLettered: number;
}

/**
 * - `off`: The library does not use RabbitMQ. It retries commands in place.
 * - `connecting`: RabbitMQ is away. Work that has to be parked holds the tail.
 * - `connected`: The library is connected to RabbitMQ.
 * - `blocked`: RabbitMQ accepts no messages for now (memory or disk alarm).
 */
export type RetryState = 'off' | 'connecting' | 'connected' | 'blocked';

/** A way to try commands again: through RabbitMQ, or in place. */
export interface RetryPath {
  readonly state: RetryState;
  readonly deadLetters: DeadLetters;
  check(): Promise<readonly ConfigurationFault[]>;
  /** Begins to try again what waits. */
  start(): void;
  /** Resolves once each command is safe or done; rejects only with the signal's reason or after `stop`. */
  park(commands: readonly ParkedCommand[], signal: AbortSignal): Promise<void>;
  /** Finishes what is in hand until it is cut off, and closes what is open. */
  stop(cutOff: AbortSignal): Promise<void>;
}

/** The executor; it rejects only when the signal is aborted. */
export type SafeExecutor = (command: ParkedCommand, signal: AbortSignal) => Promise<RetryResult>;
