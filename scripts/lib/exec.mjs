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
 */
export function exec(command, args) {
  return new Promise((resolve, reject) => {
    const PATH = [join(ROOT, 'node_modules/.bin'), process.env.PATH].join(delimiter);
    const child = spawn(command, args, { cwd: ROOT, stdio: 'inherit', env: { ...process.env, PATH } });
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
    child.once('exit', (code, signal) => {
      done();
      // What would have come after the command is not wanted any more.
      if (interruptedBy) process.exit(code ?? 128 + constants.signals[interruptedBy]);
      resolve(code ?? 128 + constants.signals[signal]);
    });
  });
}
