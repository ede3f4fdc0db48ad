/** Something that happened to rows of a table or to a key, for the report of a finding. */
interface Note {
  readonly at: number;
  readonly subject: string;
  readonly numbers: readonly number[];
  readonly text: string;
}

const CAPACITY = 200_000;
const HOT_MILLIS = 10;

/** What happened lately, as a ring: tells readers which rows are hot, and a finding how it came about. */
export class Journal {
  private readonly notes: Note[] = [];
  private next = 0;
  readonly startedAt = Date.now();
  /** Faults, restarts and the like. */
  readonly incidents: { at: number; text: string }[] = [];
  private hot: { at: number; table: string; n: number }[] = [];
  private readonly makers: string[] = [];

  /** @param numbers the rows, for the subject of a table */
  note(subject: string, numbers: readonly number[], text: string): void {
    this.notes[this.next] = { at: Date.now(), subject, numbers, text };
    this.next = (this.next + 1) % CAPACITY;
  }

  /** Which kind of writer made a change. */
  made(changeId: number, kind: string): void {
    this.makers[changeId] = kind;
  }

  makerOf(changeId: number): string {
    return this.makers[changeId] ?? 'nobody';
  }

  incident(text: string): void {
    this.incidents.push({ at: Date.now(), text });
  }

  /** These rows are being changed right now. */
  heat(table: string, numbers: readonly number[]): void {
    const at = performance.now();
    this.hot = this.hot.filter((each) => at - each.at < HOT_MILLIS);
    for (const n of numbers) this.hot.push({ at, table, n });
  }

  /** Rows that were changed within the last 10 ms. */
  get hotRows(): readonly { table: string; n: number }[] {
    const at = performance.now();
    return this.hot.filter((each) => at - each.at < HOT_MILLIS);
  }

  /** The latest notes of a row and of one of its keys, oldest first. */
  historyOf(table: string, n: number | undefined, key: string): string[] {
    const notes = this.notes.filter(
      ({ subject, numbers }) =>
        subject === key || (subject === table && (numbers.length === 0 || numbers.includes(n ?? -1))),
    );
    const last = notes.sort((a, b) => a.at - b.at).slice(-12);
    const since = (last[0]?.at ?? 0) - 2_000;
    const until = (last.at(-1)?.at ?? 0) + 3_000;
    const incidents = this.incidents.filter(({ at }) => at >= since && at <= until).slice(-12);
    return [...last.map(({ at, text }) => ({ at, text })), ...incidents]
      .sort((a, b) => a.at - b.at)
      .map(({ at, text }) => `${this.time(at)} ${text}`);
  }

  /** Seconds since the start. */
  time(at: number): string {
    return `${((at - this.startedAt) / 1_000).toFixed(3).padStart(8)}s`;
  }
}
