import type { Lag } from '../binlog/lag';
import type { TailState } from '../binlog/tail-state';
import type { BinlogPosition } from '../change/position';

/** One process of a group. */
export interface GroupMember {
  /** Names the process as long as it runs: host, process id, and a random part. */
  readonly id: string;
  readonly host: string;
  readonly pid: number;
  readonly role: 'leader' | 'standby';
  /** When it joined the group, in milliseconds since 1970, by its own clock. */
  readonly since: number;
}

/** How the leader was doing when it last said so. */
export interface LeaderReport {
  readonly state: TailState;
  readonly reason: string | undefined;
  readonly position: BinlogPosition | undefined;
  readonly checkpoint: BinlogPosition | undefined;
  readonly lag: Lag;
  /** How long ago it said so, in milliseconds. */
  readonly ageMillis: number;
}

/** The processes that share one tail, as this process last saw them. */
export interface GroupStatus {
  /** The `id` of this process among the members. */
  readonly self: string;
  /**
   * - `leader`: This process reads the binlog.
   * - `standby`: Another process does, or nobody does yet.
   * - `alone`: There is no group (`election: 'none'`).
   */
  readonly role: 'leader' | 'standby' | 'alone';
  /**
   * The `id` of the leader. After a crash, it may name the dead process for up to 5 seconds, or until another one leads. Undefined where the last
   * leader has handed over, and nobody leads yet.
   */
  readonly leader: string | undefined;
  /** All living members, this process included, ordered by `id`. One that is silent for 5 seconds is taken for dead. */
  readonly members: readonly GroupMember[];
  /** Since when this process has had its role, in milliseconds since 1970. */
  readonly since: number;
  /** The fencing token of the leader; 0 without one. */
  readonly term: number;
  /** Whether `pause()` is holding the group. */
  readonly paused: boolean;
  /** On a standby, how the leader was doing when it last said so, once a second. Undefined elsewhere. */
  readonly report: LeaderReport | undefined;
}
