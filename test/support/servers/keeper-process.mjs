// Runs servers on behalf of another process and outlives it by a moment: when its standard input ends, by
// whatever death of the starter, it kills what it has started and removes the folders. Started by keeper.ts.
//
// Standard input takes one JSON request a line: { folder, open: { cleanup } },
// { id, folder, run: { command, args, env, cwd, log } } or { id, folder, end: true }. Standard output gives
// { id, pid }, { id, error }, { id } and { exited: pid }.
import { execFile, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/**
 * What goes together, by its folder.
 * @type {Map<string, { cleanup: string[][], running: Map<number, Promise<void>>, ending?: Promise<void> }>}
 */
const homes = new Map();

function tell(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

function run(id, { running }, { command, args, env, cwd, log }) {
  const output = openSync(log, 'a');
  // A group of its own: no Ctrl-C of the terminal reaches it, and its children can be ended with it.
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, ...env },
    detached: true,
    stdio: ['ignore', output, output],
  });
  closeSync(output);
  child.once('error', (error) => tell({ id, error: error.message }));
  if (child.pid === undefined) return;
  const { pid } = child;
  running.set(
    pid,
    new Promise((resolve) => {
      child.once('exit', () => {
        running.delete(pid);
        killGroup(pid);
        tell({ exited: pid });
        resolve();
      });
    }),
  );
  tell({ id, pid });
}

function killGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') console.error(error);
  }
}

async function end(folder, { running, cleanup }) {
  const exits = [...running.values()];
  for (const pid of running.keys()) killGroup(pid);
  await Promise.all(exits);
  for (const [command, ...args] of cleanup) {
    // Nobody is left to tell, and the folder must go in any case.
    await execute(command, args, { timeout: 30_000 }).catch(() => undefined);
  }
  await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  homes.delete(folder);
}

async function endAllAndExit() {
  // One that cannot be removed must not leave the servers of the others running.
  await Promise.allSettled([...homes].map(([folder, home]) => (home.ending ??= end(folder, home))));
  process.exit(0);
}

async function answer({ id, folder, open, run: command }) {
  if (open) {
    homes.set(folder, { cleanup: open.cleanup, running: new Map() });
    return;
  }
  const home = homes.get(folder);
  try {
    if (command) {
      if (!home || home.ending) throw new Error(`${folder} has been removed`);
      run(id, home, command);
      return;
    }
    if (home) await (home.ending ??= end(folder, home));
    tell({ id });
  } catch (error) {
    tell({ id, error: error.message });
  }
}

// The starter may be gone before its last answer.
process.stdout.on('error', () => {});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, endAllAndExit);
// Whatever goes wrong here, no server may be left behind.
process.on('uncaughtException', (error) => {
  console.error(error);
  void endAllAndExit();
});

const requests = createInterface({ input: process.stdin });
requests.on('close', endAllAndExit);
process.stdin.on('error', endAllAndExit);
requests.on('line', (line) => void answer(JSON.parse(line)));
