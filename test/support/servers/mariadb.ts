import { dirname, join } from 'node:path';
import { startOnFreePort } from './base-server';
import { copyInitialData } from './data-template';
import { DockerRuntime } from './docker-runtime';
import type { Binary } from './fetched';
import { LocalRuntime } from './local-runtime';
import { provide } from './provide';
import type { Runtime } from './runtime';
import { findTool } from './search-path';
import type { SqlServer, SqlServerOptions } from './server-handle';
import { localSqlArgs, sqlServerArgs, SqlServerProcess } from './sql-server';

// At initialization as well: the log file is made in this size, and is most of what is copied.
const REDO_LOG = '--innodb-log-file-size=32M';

/** Starts MariaDB with a ROW binlog with full metadata, and root without a password. */
export async function startMariadb(options: SqlServerOptions = {}): Promise<SqlServer> {
  const provision = await provide('mariadb');
  return startOnFreePort((port) => {
    const runtime =
      'binary' in provision
        ? local(provision.binary, port, options)
        : container(provision.image, port, options);
    return new SqlServerProcess('mariadb', runtime);
  });
}

function serverArgs(options: SqlServerOptions): string[] {
  return [REDO_LOG, ...sqlServerArgs(options)];
}

function local({ command }: Binary, port: number, options: SqlServerOptions): Runtime {
  return new LocalRuntime({
    name: 'mariadb',
    port,
    dataDir: (folder) => `${folder}/data`,
    onDisk: options.onDisk,
    prepare: (folder) => copyInitialData('mariadb', installDb(command), `${folder}/data`),
    main: (folder) => ({
      command,
      args: ['--no-defaults', ...localSqlArgs(folder, port), ...serverArgs(options)],
      env: options.env,
    }),
  });
}

function installDb(mariadbd: string): (target: string) => Binary {
  const beside = join(dirname(mariadbd), '..');
  const names = ['mariadb-install-db', 'mysql_install_db'];
  // Beside the server first, since another one may be on PATH.
  const candidates = names.flatMap((name) => [
    join(beside, 'bin', name),
    join(beside, 'scripts', name),
    name,
  ]);
  const command = findTool(...candidates, ...names);
  if (!command) throw new Error(`No mariadb-install-db found on PATH or beside ${mariadbd}.`);
  const asRoot = process.getuid?.() === 0 ? ['--user=root'] : [];
  return (target) => ({
    command,
    args: [
      '--no-defaults',
      ...asRoot,
      '--auth-root-authentication-method=normal',
      '--skip-test-db',
      REDO_LOG,
      `--datadir=${target}`,
    ],
  });
}

function container(image: string, port: number, options: SqlServerOptions): Runtime {
  return new DockerRuntime({
    image,
    port,
    innerPort: 3306,
    args: serverArgs(options),
    env: { MARIADB_ALLOW_EMPTY_ROOT_PASSWORD: '1', ...options.env },
    mount: options.tls && dirname(options.tls.ca),
    dataDir: '/var/lib/mysql',
  });
}
