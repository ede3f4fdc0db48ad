import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';

/** One call of a handler. */
export interface HandlerCall {
  /** Of the change. */
  readonly identity: string;
  /** By the clock of the machine, in microseconds. */
  readonly begunAt: number;
  /** Of the transaction; empty where the event had none. */
  readonly gtid: string;
  /** Within the transaction. */
  readonly row: number;
  /** The rows that the change is about, the old one first where a key changed. */
  readonly rows: readonly string[];
  /** Which process was called. */
  readonly by: string;
}

/** What the handlers of the app were told, from the lines that they wrote. */
export interface ToldEvents {
  /** Of inserts and updates: the rows of each change. */
  readonly written: Map<number, Set<string>>;
  /** Lines of deletions. */
  readonly deleted: Set<string>;
  /** How many there were of what is no table, by its name. */
  readonly ofNothing: Record<string, number>;
  /** Every call, those of one process in the order in which they were written down. */
  readonly calls: HandlerCall[];
}

export async function readToldEvents(files: readonly string[]): Promise<ToldEvents> {
  const told: ToldEvents = { written: new Map(), deleted: new Set(), ofNothing: {}, calls: [] };
  for (const file of files) {
    const by = basename(file, '.events');
    // The last line of a killed process may be cut off; its change came again.
    for (const line of (await readFile(file, 'utf8').catch(() => '')).split('\n').slice(0, -1)) {
      const [identity = '', begunAt, gtid = '', row, rows = ''] = line.split('\t');
      if (identity.startsWith('n ')) {
        told.ofNothing[identity.slice(2)] = (told.ofNothing[identity.slice(2)] ?? 0) + 1;
        continue;
      }
      told.calls.push({
        identity,
        begunAt: Number(begunAt),
        gtid,
        row: Number(row),
        rows: rows.split(','),
        by,
      });
      if (identity.startsWith('d ')) told.deleted.add(identity);
      else {
        const [, change = '', key = ''] = identity.split(' ');
        const keys = told.written.get(Number(change)) ?? new Set();
        told.written.set(Number(change), keys.add(key));
      }
    }
  }
  return told;
}
