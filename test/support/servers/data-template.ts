import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheDir } from './cache-dir';
import { withFileLock } from './file-lock';

const run = promisify(execFile);

/**
 * Puts a fresh data folder at `target`. Initializing one takes seconds and copying it a fraction of one, so
 * it is initialized once for each binary and set of arguments, and kept in the cache.
 */
export async function copyInitialData(
  name: string,
  initialize: (target: string) => { command: string; args: string[] },
  target: string,
): Promise<void> {
  const template = await templateFolder(name, initialize);
  await copyFolder(template, target);
  // The server's own UUID: with the same one two servers could not replicate, and GTIDs would collide.
  rmSync(join(target, 'auto.cnf'), { force: true });
}

async function copyFolder(from: string, to: string): Promise<void> {
  try {
    // Most of it are zeros, which GNU's cp leaves out: a third of the time that Node takes.
    await run('cp', ['-R', '--sparse=always', from, to]);
  } catch {
    rmSync(to, { recursive: true, force: true });
    await cp(from, to, { recursive: true });
  }
}

async function templateFolder(
  name: string,
  initialize: (target: string) => { command: string; args: string[] },
): Promise<string> {
  const { command, args } = initialize('');
  const { mtimeMs, size } = statSync(command);
  const identity = JSON.stringify([command, args, mtimeMs, size]);
  const hash = createHash('sha256').update(identity).digest('hex').slice(0, 12);
  const template = join(cacheDir(), 'templates', `${name}-${hash}`);
  if (existsSync(template)) return template;
  return withFileLock(`${template}.lock`, async () => {
    if (existsSync(template)) return template;
    const partial = `${template}.partial`;
    rmSync(partial, { recursive: true, force: true });
    mkdirSync(partial, { recursive: true });
    const initial = initialize(partial);
    await run(initial.command, initial.args, { maxBuffer: 16 << 20 });
    renameSync(partial, template);
    return template;
  });
}
