import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/**
 * Runs a command in the repository's root, with the tools of node_modules first on PATH, and gives its exit
 * code: 128 + the signal's number when a signal ended it, as a shell would. Signals to this process go on to
 * the command, which decides when to end; this process then ends with it.
 *
 * With `take`, its output goes there, piece by piece, and not to this process's own.
 */
export function exec(command, args, { take } = {}) {
  return new Promise((resolve, reject) => {
    const PATH = [join(ROOT, 'node_modules/.bin'), process.env.PATH].join(delimiter);
    const stdio = take ? ['ignore', 'pipe', 'pipe'] : 'inherit';
    const child = spawn(command, args, { cwd: ROOT, stdio, env: { ...process.env, PATH } });
    if (take) for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', take);
    let interruptedBy;
    const forward = (signal) => {
      interruptedBy = signal;
      // Ctrl-C in a terminal reaches the whole group, so the command has it already.
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    };
    for (const signal of SIGNALS) process.on(signal, forward);
    const done = () => {
      for (const signal of SIGNALS) process.off(signal, forward);
    };
    child.once('error', (error) => {
      done();
      reject(error);
    });
    // Its output may end after it.
    child.once(take ? 'close' : 'exit', (code, signal) => {
      done();
      // What would have come after the command is not wanted any more.
      if (interruptedBy) process.exit(code ?? 128 + constants.signals[interruptedBy]);
      resolve(code ?? 128 + constants.signals[signal]);
    });
  });
}
