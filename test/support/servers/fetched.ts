import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDir } from './cache-dir';

/** How to execute a server, without the arguments of the one instance. */
export interface Binary {
  command: string;
  /** Before all other arguments. */
  args: string[];
}

/** MySQL as unpacked by `fetchPackages`. */
export function fetchedMysql(): Binary | undefined {
  const root = join(cacheDir(), 'mysql');
  return fetched(root, 'usr/sbin/mysqld', [
    // Must be mysqld's first argument.
    '--no-defaults',
    `--basedir=${root}/usr`,
    `--plugin-dir=${root}/usr/lib/mysql/plugin`,
    `--lc-messages-dir=${root}/usr/share/mysql`,
    `--character-sets-dir=${root}/usr/share/mysql/charsets`,
    '--secure-file-priv=',
  ]);
}

/** Valkey as unpacked by `fetchPackages`. */
export function fetchedValkey(): Binary | undefined {
  return fetched(join(cacheDir(), 'valkey'), 'usr/bin/valkey-server', []);
}

/** A program that runs through a loader of its own, because its libc is newer than ours. */
function fetched(root: string, path: string, args: string[]): Binary | undefined {
  const program = join(root, path);
  if (!existsSync(program)) return undefined;
  const libraries = join(root, 'usr/lib', multiarchTriplet());
  const loader = readdirSync(libraries).find((file) => /^ld-linux.*\.so/.test(file));
  if (!loader) return undefined;
  const libraryPath = [libraries, join(libraries, 'private'), join(root, 'usr/lib/mysql/private')].join(':');
  return { command: join(libraries, loader), args: ['--library-path', libraryPath, program, ...args] };
}

function multiarchTriplet(): string {
  return process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
}
