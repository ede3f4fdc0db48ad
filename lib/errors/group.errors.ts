import { CacheflowError } from './cacheflow.error';

/**
 * This process no longer leads its group, or a checkpoint was saved by one that no longer does. A `CheckpointStore` of
 * your own throws it where the stored checkpoint has a higher `term`.
 */
export class LeadershipLostError extends CacheflowError {
  readonly code = 'CACHEFLOW_LEADERSHIP_LOST';
}

/** A group of the same name is led on another server, or by another `election`. This process waits until it is gone. */
export class GroupSplitError extends CacheflowError {
  readonly code = 'CACHEFLOW_GROUP_SPLIT';
}

/** The processes of a group have different options. */
export class GroupMismatchError extends CacheflowError {
  readonly code = 'CACHEFLOW_GROUP_MISMATCH';
}
