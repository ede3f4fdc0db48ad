import { spawn } from 'node:child_process';

const running = new Set();

/**
 * Runs a command and gives `{ code, output }` with both of its streams in one text. After `timeoutMillis` it
 * and all that it started are killed, and the code is null.
 */
export function runToEnd(command, args, { cwd, env, timeoutMillis }) {
  return new Promise((resolve, reject) => {
    // A group of its own, so that the children of npm and npx end with it.
    const child = spawn(command, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const take = (chunk) => {
      output += chunk;
    };
    child.stdout.setEncoding('utf8').on('data', take);
    child.stderr.setEncoding('utf8').on('data', take);
    const timer = setTimeout(() => {
      take(`\nKilled after ${timeoutMillis / 1000} s: ${command} ${args.join(' ')}\n`);
      killGroup(child);
    }, timeoutMillis);
    running.add(child);
    const done = () => {
      clearTimeout(timer);
      running.delete(child);
    };
    child.once('error', (error) => {
      done();
      reject(error);
    });
    child.once('close', (code) => {
      done();
      resolve({ code, output });
    });
  });
}

/** Ends what is still running. */
export function killAll() {
  for (const child of running) killGroup(child);
}

function killGroup(child) {
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}
