// Runs servers on behalf of another process and outlives it by a moment: when its standard input ends, by
// whatever death of the starter, it kills what it has started and removes the folder. Started by keeper.ts.
//
// Standard input takes one JSON request a line: { id, run: { name, command, args, env, cwd, log } } or
// { id, end: true }. Standard output gives { id, pid }, { id, error }, { id } and { exited: pid }.
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, openSync, rmSync } from 'node:fs';
import { createInterface } from 'node:readline';

const { folder, cleanup } = JSON.parse(process.argv[2]);
/** @type {Map<number, Promise<void>>} */
const running = new Map();
let ending;

function tell(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

function run(id, { command, args, env, cwd, log }) {
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
    if (error.code !== 'ESRCH') throw error;
  }
}

async function end() {
  const exits = [...running.values()];
  for (const pid of running.keys()) killGroup(pid);
  await Promise.all(exits);
  for (const [command, ...args] of cleanup) {
    try {
      execFileSync(command, args, { stdio: 'ignore', timeout: 30_000 });
    } catch {
      // Nobody is left to tell, and the folder must go in any case.
    }
  }
  rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
}

async function endAndExit() {
  ending ??= end();
  await ending;
  process.exit(0);
}

// The starter may be gone before its last answer.
process.stdout.on('error', () => {});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, endAndExit);

const requests = createInterface({ input: process.stdin });
requests.on('close', endAndExit);
process.stdin.on('error', endAndExit);
requests.on('line', async (line) => {
  const request = JSON.parse(line);
  if (request.run) {
    run(request.id, request.run);
    return;
  }
  ending ??= end();
  await ending;
  process.stdout.write(`${JSON.stringify({ id: request.id })}\n`, () => process.exit(0));
});
