/** What one process of a group holds at a time. It ends by itself when it cannot be confirmed in time. */
export interface Lock {
  /** The server that gave it (`ServerInfo.instance`); undefined where it says nothing of the source. */
  readonly server: string | undefined;
  /** Aborted with the reason once it is no longer held. */
  readonly ended: AbortSignal;
  /** Whether it may be another's by now, by the clock as well: a process that was frozen hears of it later. */
  readonly isOver: boolean;
  /** Gives it back. Never rejects. */
  release(reason: Error): Promise<void>;
}

/** A way to find out which process of a group leads. */
export interface Election {
  /**
   * Resolves with the lock once it is ours. Rejects with the signal's reason, or when the server that gives it is away.
   *
   * @param onStandby told when somebody else has it
   */
  campaign(groupId: string, signal: AbortSignal, onStandby: () => void): Promise<Lock>;
}
