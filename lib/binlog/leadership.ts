import type { TableScope } from '../change/table-name';

/** Decides which process of a group reads the stream. */
export interface Leadership {
  /**
   * Resolves once this process leads, at once where it does already. Rejects with the signal's reason, or with what keeps
   * it from being elected.
   */
  acquire(signal: AbortSignal, observer: LeadObserver): Promise<Lead>;
}

/** Who waits for the lead. */
export interface LeadObserver {
  /** Somebody else leads. */
  onStandby(): void;
  /** Told why it takes long. */
  onWaiting(reason: string): void;
}

/** The lead of a group, until it is lost. */
export interface Lead {
  /** Aborted with the reason when it is lost or was given back. */
  readonly ended: AbortSignal;
  /** Whether it is over, by the clock as well: after a freeze nothing has told us yet. */
  readonly isOver: boolean;
  /**
   * The right to read from this server, asked for on each connection.
   *
   * @param above the highest term that is known otherwise, which the new one has to pass
   * @throws Error where the lead was won on another server, which is given back then
   * @throws GroupSplitError where somebody else leads on another server
   */
  begin(server: string, above: number, signal: AbortSignal): Promise<Term>;
  /** Nothing that `uncovered` named is left in the cache. Never rejects. */
  covered(): Promise<void>;
  /** Somebody else has a later term. */
  depose(reason: Error): void;
}

/** A time during which one process leads. */
export interface Term {
  /** The fencing token: higher than that of all leaders before; 0 where there is no group. */
  readonly number: number;
  /** Somebody else may have led since this process has read last. */
  readonly isNew: boolean;
  /**
   * Tables whose changes nobody has followed so far, or in another way: what is cached of them may be old. Undefined
   * stands for all.
   */
  readonly uncovered: readonly (TableScope | undefined)[];
}

/** The lead of a process that stands alone. Each has its own: whoever reads listens for its end. */
export function standAlone(): Leadership {
  const lead: Lead = {
    ended: new AbortController().signal,
    isOver: false,
    begin: async () => Promise.resolve({ number: 0, isNew: false, uncovered: [] }),
    covered: async () => Promise.resolve(),
    depose: () => undefined,
  };
  return { acquire: async () => Promise.resolve(lead) };
}
