import { dirname } from 'node:path';
import { startOnFreePort } from './base-server';
import { copyInitialData } from './data-template';
import { DockerRuntime } from './docker-runtime';
import type { Binary } from './fetched';
import { LocalRuntime } from './local-runtime';
import { provide } from './provide';
import type { Runtime } from './runtime';
import type { SqlServer, SqlServerOptions } from './server-handle';
import { localSqlArgs, sqlServerArgs, SqlServerProcess } from './sql-server';

// At initialization as well: the log files are made in this size, and are most of what is copied.
const REDO_LOG = '--innodb-redo-log-capacity=32M';

/** Starts MySQL with GTIDs, a ROW binlog with full metadata, and root without a password. */
export async function startMysql(options: SqlServerOptions = {}): Promise<SqlServer> {
  const provision = await provide('mysql');
  return startOnFreePort((port) => {
    const runtime =
      'binary' in provision
        ? local(provision.binary, port, options)
        : container(provision.image, port, options);
    return new SqlServerProcess('mysql', runtime);
  });
}

function serverArgs(options: SqlServerOptions): string[] {
  const gtid = ['--gtid-mode=ON', '--enforce-gtid-consistency=ON'];
  return [REDO_LOG, '--mysqlx=OFF', ...gtid, ...sqlServerArgs(options)];
}

function local(binary: Binary, port: number, options: SqlServerOptions): Runtime {
  const { command, args } = withoutDefaults(binary);
  const asRoot = process.getuid?.() === 0 ? ['--user=root'] : [];
  return new LocalRuntime({
    name: 'mysql',
    port,
    dataDir: (folder) => `${folder}/data`,
    onDisk: options.onDisk,
    prepare: (folder) =>
      copyInitialData(
        'mysql',
        (target) => ({
          command,
          args: [...args, ...asRoot, '--initialize-insecure', REDO_LOG, `--datadir=${target}`],
        }),
        `${folder}/data`,
      ),
    main: (folder) => ({
      command,
      args: [...args, ...localSqlArgs(folder, port), ...serverArgs(options)],
      env: options.env,
    }),
  });
}

function withoutDefaults(binary: Binary): Binary {
  const has = binary.args.includes('--no-defaults');
  return has ? binary : { ...binary, args: ['--no-defaults', ...binary.args] };
}

function container(image: string, port: number, options: SqlServerOptions): Runtime {
  return new DockerRuntime({
    image,
    port,
    innerPort: 3306,
    args: serverArgs(options),
    env: { MYSQL_ALLOW_EMPTY_PASSWORD: '1', ...options.env },
    mount: options.tls && dirname(options.tls.ca),
    dataDir: '/var/lib/mysql',
  });
}
