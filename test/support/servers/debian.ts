import { execFile } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { findTool } from './search-path';

const run = promisify(execFile);
const POLICY = '/usr/sbin/policy-rc.d';
const REFUSE_ALL_SERVICES = '#!/bin/sh\nexit 101\n';

export type Report = (line: string) => void;

/** Whether packages can be fetched here: Debian itself, its tools, and root. */
export function canUseApt(): boolean {
  if (process.getuid?.() !== 0 || !findTool('apt-get') || !findTool('dpkg')) return false;
  const release = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
  return /^ID=debian$/m.test(release);
}

export async function apt(args: string[], cwd?: string): Promise<string> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8' };
  const all = ['-q', '-o', 'DPkg::Lock::Timeout=120', ...args];
  try {
    const { stdout } = await run('apt-get', all, { cwd, env, maxBuffer: 64 << 20 });
    return stdout;
  } catch (error) {
    const { stderr = '' } = error as { stderr?: string };
    const end = stderr.trimEnd().split('\n').slice(-20).join('\n');
    throw new Error(`apt-get ${args.at(0)} failed:\n${end}`, { cause: error });
  }
}

/** Installs a package of the machine's own suite, without letting it start its service. */
export async function installPackage(name: string): Promise<void> {
  await apt(['update']);
  // An administrator's policy stays as it is.
  const ownPolicy = !existsSync(POLICY);
  if (ownPolicy) writeFileSync(POLICY, REFUSE_ALL_SERVICES, { mode: 0o755 });
  try {
    await apt(['install', '-y', '--no-install-recommends', name]);
  } finally {
    if (ownPolicy) rmSync(POLICY, { force: true });
  }
}
