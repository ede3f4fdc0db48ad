import { randomUUID } from 'node:crypto';

/** The living processes of the group. */
export interface GroupMembers {
  /** The id of this process. */
  readonly own: string;
  /** The ids of all, this one among them, in the same order everywhere. */
  list(): readonly string[];
  /** Calls the listener after each change of the list, until the function that it returns is called. */
  onChange(listener: () => void): () => void;
}

/** A process that knows of no other. */
export class OnlyMember implements GroupMembers {
  readonly own = randomUUID();

  list(): readonly string[] {
    return [this.own];
  }

  onChange(): () => void {
    return () => undefined;
  }
}
