import type { SqlServer } from '../../../support/servers';
import type { Journal } from '../journal';
import type { Random } from '../random';
import type { SqlSession } from '../sql-session';
import type { FragileWrites } from './fragile-writes';
import type { RowStatements } from './row-statements';
import type { WriteCounts } from './write-counts';

/** What all kinds of writers share. */
export interface WriterTools {
  readonly server: SqlServer;
  readonly random: Random;
  readonly rows: RowStatements;
  readonly journal: Journal;
  readonly counts: WriteCounts;
  readonly fragile: FragileWrites;
  /** Those that are prepared first and committed later. */
  readonly prepared: FragileWrites;
}

/** One of the workers that take turns at all kinds of writing. */
export interface Worker {
  /** From 0 on. */
  readonly number: number;
  readonly session: SqlSession;
  readonly random: Random;
}

/** One kind of writing, for all workers. */
export interface Writer {
  /** It is time for one that comes by the clock. */
  readonly isDue?: boolean;
  /** Writes once; resolves with the number of row changes, by which the load is held to its rate. */
  write(worker: Worker): Promise<number>;
  /** No worker writes now: finishes what is still open. */
  settle?(): Promise<void>;
  resume?(): void;
  stop?(): Promise<void>;
}
