import type { FileHandle } from 'node:fs/promises';

/** Appends lines to a file, all that came together in one write. */
export class LineLog {
  private lines: string[] = [];
  private next: Promise<void> | undefined;
  private last: Promise<void> = Promise.resolve();

  constructor(private readonly file: FileHandle) {}

  /** Resolves once the line is in the file: it survives this process then. */
  append(line: string): Promise<void> {
    this.lines.push(line);
    this.next ??= this.last.then(() => this.write());
    return this.next;
  }

  private write(): Promise<void> {
    const text = `${this.lines.join('\n')}\n`;
    this.lines = [];
    this.next = undefined;
    this.last = this.file.appendFile(text);
    return this.last;
  }
}
