import type { BinlogPosition, PreparedTransaction } from '../change/position';

/** How far everything was applied, as it is stored. */
export interface Checkpoint extends BinlogPosition {
  /** The identity of the server that the position belongs to: its `server_uuid`, or `server-id-…` on MariaDB. */
  readonly serverUuid?: string;
  /** Grows whenever positions begin anew: with another server, or after a RESET. */
  readonly epoch?: number;
  /** The XA transactions that were prepared by then and neither committed nor rolled back; absent without any. */
  readonly prepared?: readonly PreparedTransaction[];
}

/** Keeps a checkpoint; implement it to keep it somewhere of your own. */
export interface CheckpointStore {
  /** The stored checkpoint, or null at the first start. While it rejects, the tail waits, reports and asks again. */
  load(name: string): Promise<Checkpoint | null>;
  /**
   * Stores the checkpoint durably before it resolves. Calls never overlap. While it rejects, the error is reported
   * and the latest checkpoint tried again; changes are applied all the same, and a restart would repeat them.
   */
  save(name: string, checkpoint: Checkpoint): Promise<void>;
}
