import type { Leadership } from '../binlog/leadership';
import type { ConfigurationFault } from '../errors/configuration.error';
import type { GroupMembers } from '../distribution/group-members';
import type { GroupStatus, LeaderReport } from './group-status';

/** What a group needs of its process. */
export interface GroupParts {
  pause(): void;
  resume(): void;
  /** Another process has led since this one did. */
  handOver(): void;
  /** Resolves when everything is applied that was committed before the call. Rejects with the signal's reason. */
  caughtUp(signal: AbortSignal): Promise<void>;
  /** How the leader is doing. */
  report(): Omit<LeaderReport, 'ageMillis'>;
  /** Tables look another way: forgets what keys are made of. Never rejects. */
  forgetDefinitions(): Promise<void>;
}

/** The processes that share one tail. */
export interface Group {
  readonly leadership: Leadership;
  readonly members: GroupMembers;
  /** The fencing token of this process while it leads; 0 without. */
  readonly term: number;
  readonly status: GroupStatus;
  /** Whether this process reads the stream. */
  readonly isLeading: boolean;
  /** What keeps this process from being one of the group. */
  check(signal: AbortSignal): Promise<readonly ConfigurationFault[]>;
  start(parts: GroupParts): void;
  /** Holds the tail of the group between two batches, or lets it go on. */
  setPaused(paused: boolean): Promise<void>;
  /**
   * Resolves once whoever leads has applied everything that was committed before the call. Rejects with the signal's
   * reason.
   */
  caughtUp(millis: number, signal: AbortSignal): Promise<void>;
  /** Tables look another way: resolves once no living member makes keys of the old form any more. */
  announceRedefinition(signal: AbortSignal): Promise<void>;
  /** Lets another process lead. Never rejects. */
  leave(reason: Error): Promise<void>;
}
