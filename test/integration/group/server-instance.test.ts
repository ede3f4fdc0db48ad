import { afterAll, beforeAll, expect, it } from 'vitest';
import { resolveConfig } from '../../../lib/config/cacheflow.config';
import { ControlConnection } from '../../../lib/mysql/control-connection';
import type { ServerInfo } from '../../../lib/mysql/control-connection';
import type { SqlServer } from '../../support/servers';
import { startMariadb } from '../../support/servers';

let servers: SqlServer[] = [];

beforeAll(async () => {
  servers = await Promise.all([startMariadb(), startMariadb()]);
});
afterAll(async () => {
  await Promise.all(servers.map((each) => each.dispose()));
});

async function infoOf(server: SqlServer): Promise<ServerInfo> {
  const { mysql } = resolveConfig({
    mysql: server.connectionOptions(),
    redis: {},
    tables: [{ db: 'a', table: 'b' }],
  });
  const connection = await ControlConnection.open(mysql, new AbortController().signal);
  try {
    return await connection.serverInfo();
  } finally {
    connection.close();
  }
}

it('tells MariaDB servers apart that have one server_id, so that their groups are told apart', async () => {
  const [one, other] = await Promise.all(servers.map(infoOf));
  expect(one?.identity).toBe(other?.identity);
  expect(one?.instance).not.toBe(other?.instance);
});
