import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Binary, fetchedMysql, fetchedValkey } from './fetched';
import { isExecutable, searchPath } from './search-path';
import type { ServerKind } from './server-handle';

const run = promisify(execFile);

interface Search {
  variable: string;
  names: string[];
  /** Must match the output of `--version`, because Debian's MariaDB is also installed as mysqld. */
  version?: RegExp;
}

const SEARCHES: Record<ServerKind, Search> = {
  mysql: { variable: 'CACHEFLOW_MYSQLD', names: ['mysqld'], version: /^(?!.*MariaDB).*mysqld/i },
  mariadb: { variable: 'CACHEFLOW_MARIADBD', names: ['mariadbd', 'mysqld'], version: /MariaDB/i },
  redis: { variable: 'CACHEFLOW_REDIS_SERVER', names: ['redis-server'] },
  valkey: { variable: 'CACHEFLOW_VALKEY_SERVER', names: ['valkey-server'] },
  rabbitmq: { variable: 'CACHEFLOW_RABBITMQ_SERVER', names: ['rabbitmq-server'] },
};

/** The environment variable that names the binary of a kind. */
export function variableOf(kind: ServerKind): string {
  return SEARCHES[kind].variable;
}

/**
 * Looks for a server on this machine: its environment variable, PATH, then what was fetched earlier.
 *
 * @throws Error when the environment variable names something that is not that server
 */
export async function findBinary(kind: ServerKind): Promise<Binary | undefined> {
  const { variable, names } = SEARCHES[kind];
  const explicit = process.env[variable];
  if (explicit) {
    if (await fits(kind, explicit)) return { command: explicit, args: [] };
    throw new Error(`${variable}=${explicit} is not an executable ${kind} server.`);
  }
  for (const name of names) {
    for (const folder of foldersOf(kind)) {
      const command = join(folder, name);
      if (await fits(kind, command)) return { command, args: [] };
    }
  }
  if (kind === 'mysql') return fetchedMysql();
  return kind === 'valkey' ? fetchedValkey() : undefined;
}

function foldersOf(kind: ServerKind): string[] {
  // The rabbitmq-server on Debian's PATH switches to another user; the one in these folders does not.
  return kind === 'rabbitmq' ? [...rabbitmqFolders(), ...searchPath()] : searchPath();
}

function rabbitmqFolders(): string[] {
  const libraries = '/usr/lib/rabbitmq/lib';
  const versions = existsSync(libraries) ? readdirSync(libraries).sort().reverse() : [];
  return [...versions.map((version) => join(libraries, version, 'sbin')), '/usr/lib/rabbitmq/bin'];
}

async function fits(kind: ServerKind, command: string): Promise<boolean> {
  if (!isExecutable(command)) return false;
  const { version } = SEARCHES[kind];
  if (!version) return true;
  try {
    const { stdout } = await run(command, ['--no-defaults', '--version']);
    return version.test(stdout);
  } catch {
    // A binary that cannot even tell its version, such as one for another system, is not the server.
    return false;
  }
}
