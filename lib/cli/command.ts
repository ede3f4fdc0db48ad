import type { Writable } from 'node:stream';

/** Where a command writes: results to `out`, everything else to `err`. */
export interface Streams {
  readonly out: Writable;
  readonly err: Writable & { readonly isTTY?: boolean };
}

/** A command of `npx nestjs-cacheflow <name>`. */
export interface Command {
  readonly name: string;
  /** The help text: usage, options, exit codes. */
  readonly usage: string;
  /**
   * Does it.
   *
   * @param args what follows on the command line, without the name
   * @returns the exit code, see {@link ExitCode}
   * @throws UsageError, or what made it fail
   */
  run(args: readonly string[], streams: Streams): Promise<number>;
}

export const ExitCode = {
  /** Done, and nothing is wrong. */
  Ok: 0,
  /** Done, and something is wrong. */
  Found: 1,
  /** Could not run. */
  Failed: 2,
} as const;

/** The command line cannot be used; the message says why. */
export class UsageError extends Error {}
