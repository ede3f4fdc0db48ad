import type { Redis } from 'ioredis';
import type { SqlServer } from '../../../test/support/servers';
import type { Item } from '../items';

/** Long enough that nothing stale expires before it is counted. */
export const TTL_SECONDS = 3_600;

/** One way to keep a cache, as the application's readers and writers see it. */
export interface Way {
  read(key: string, load: () => Promise<Item>): Promise<Item>;
  /** @param commit writes the row of the key, and resolves when its commit has returned */
  write(key: string, commit: () => Promise<void>): Promise<void>;
  /** Resolves when nothing is left that this way would still do to the cache by itself. */
  settle(): Promise<void>;
  close(): Promise<void>;
}

export interface Surroundings {
  readonly sql: SqlServer;
  /** The application's one client, for readers and for whoever invalidates. */
  readonly redis: Redis;
  /** Row changes that the load will make. */
  readonly writes: number;
}

export interface WayDefinition {
  readonly name: string;
  readonly label: string;
  open(surroundings: Surroundings): Promise<Way>;
}
