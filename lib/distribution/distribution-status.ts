/** How the calls of handlers are spread over the processes of the group. */
export interface DistributionStatus {
  /** The partitions that belong to this process. */
  readonly partitions: readonly number[];
  /** Changes that wait for the confirm of the broker. They hold the checkpoint. */
  readonly publishing: number;
  /** Changes that came too late from a process that no longer tailed, and were dropped: its successor published them. */
  readonly fenced: number;
}
