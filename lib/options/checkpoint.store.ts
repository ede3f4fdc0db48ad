import type { BinlogPosition, PreparedTransaction } from '../change/position';

/** The stored position up to which every change has been applied and handled. */
export interface Checkpoint extends BinlogPosition {
  /** The identity of the server that the position belongs to: its `server_uuid`, or `server-id-…` on MariaDB. */
  readonly serverUuid?: string;
  /** The number of the binlog's history. It increases whenever positions start over: with another server or a RESET. */
  readonly epoch?: number;
  /** The XA transactions that were prepared by then and neither committed nor rolled back. Absent if there are none. */
  readonly prepared?: readonly PreparedTransaction[];
  /**
   * The fencing token of the leader that saved it. Each leader of a group has a higher one than all before it. Absent
   * with `election: 'none'`.
   */
  readonly term?: number;
  /**
   * The masters of the Redis Cluster whose data are right up to here, by their runs. If others own the slots at the next
   * start, writes may be lost, and the library removes all keys. Absent without a cluster.
   */
  readonly redisMasters?: readonly string[];
}

/** Keeps the checkpoint. Implement it to keep the checkpoint in a place of your choice. */
export interface CheckpointStore {
  /**
   * Resolves with the stored checkpoint, or with null at the first start. While it rejects, the tail waits, reports the
   * error, and asks again.
   */
  load(name: string): Promise<Checkpoint | null>;
  /**
   * Stores the checkpoint durably before it resolves. Calls never overlap. While it rejects, the library reports the
   * error and tries again with the latest checkpoint. It applies changes all the same, and a restart would repeat them.
   */
  save(name: string, checkpoint: Checkpoint): Promise<void>;
  /**
   * Whether several processes may share the store: `load` gives each of them what any of them saved last, and `save`
   * rejects with a LeadershipLostError, atomically, when the stored checkpoint has a higher `term` than the given one.
   *
   * @defaultValue `false`: the library refuses to work with more than one process
   */
  readonly isFenced?: boolean;
}
