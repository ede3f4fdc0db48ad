import type { Streams } from './command';
import type { VerifyFault, VerifyListener, VerifySummary } from '../verify/verify-report';

const PROGRESS_MILLIS = { terminal: 200, file: 5_000 };

/** Results on stdout, everything else on stderr. */
export class VerifyOutput implements VerifyListener {
  private shownAt = 0;
  private isLineOpen = false;

  constructor(
    private readonly streams: Streams,
    private readonly options: { readonly json: boolean; readonly quiet: boolean },
  ) {}

  fault({ kind, table, key, repaired }: VerifyFault): void {
    const text = `${kind}${repaired ? ' (removed)' : ''} ${table} ${printable(key)}`;
    this.print(this.options.json ? JSON.stringify({ kind, table, key, repaired }) : text);
  }

  summary(summary: VerifySummary): void {
    if (this.options.json) {
      this.print(JSON.stringify({ summary }));
      return;
    }
    const { skipped, ...counts } = summary;
    const faults = counts.stale + counts.orphans;
    const list = Object.entries(counts).map(([name, count]) => `${name} ${count}`);
    this.print(`${faults === 0 ? 'All agree' : `${faults} wrong`}: ${list.join(', ')}`);
    for (const reason of skipped) this.print(`skipped ${reason}`);
  }

  warn(message: string): void {
    this.say(message);
  }

  progress(what: string): void {
    if (this.options.quiet) return;
    const { err } = this.streams;
    const now = Date.now();
    if (now - this.shownAt < (err.isTTY ? PROGRESS_MILLIS.terminal : PROGRESS_MILLIS.file)) return;
    this.shownAt = now;
    // On a terminal the line is written over.
    err.write(err.isTTY ? `\r\x1b[K${what}` : `${what}\n`);
    this.isLineOpen = err.isTTY === true;
  }

  /** On stderr. */
  say(message: string): void {
    this.endLine();
    this.streams.err.write(`${message}\n`);
  }

  private print(line: string): void {
    this.endLine();
    this.streams.out.write(`${line}\n`);
  }

  private endLine(): void {
    if (this.isLineOpen) this.streams.err.write('\r\x1b[K');
    this.isLineOpen = false;
  }
}

/** A key may hold line breaks and what terminals take for commands. */
function printable(key: string): string {
  return /[^ -~\u00a0-\uffff]/.test(key) ? JSON.stringify(key) : key;
}
