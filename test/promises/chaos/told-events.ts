import { readFile } from 'node:fs/promises';

/** What the handlers of the app were told, from the lines that they wrote. */
export interface ToldEvents {
  /** Of inserts and updates: the rows of each change. */
  readonly written: Map<number, Set<string>>;
  /** Lines of deletions. */
  readonly deleted: Set<string>;
  /** How many there were of what is no table, by its name. */
  readonly ofNothing: Record<string, number>;
}

export async function readToldEvents(files: readonly string[]): Promise<ToldEvents> {
  const told: ToldEvents = { written: new Map(), deleted: new Set(), ofNothing: {} };
  for (const file of files) {
    // The last line of a killed process may be cut off; its change came again.
    for (const line of (await readFile(file, 'utf8').catch(() => '')).split('\n').slice(0, -1)) {
      if (line.startsWith('d ')) told.deleted.add(line);
      else if (line.startsWith('n '))
        told.ofNothing[line.slice(2)] = (told.ofNothing[line.slice(2)] ?? 0) + 1;
      else if (line.startsWith('w ')) {
        const [, change = '', key = ''] = line.split(' ');
        const keys = told.written.get(Number(change)) ?? new Set();
        told.written.set(Number(change), keys.add(key));
      }
    }
  }
  return told;
}
