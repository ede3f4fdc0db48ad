import { afterAll, beforeAll, describe, it } from 'vitest';
import { type SqlServer, startMariadb, startMysql } from '../../support/servers';
import { expectEqual } from './type-zoo.expect';
import { decodeAll, TIME_ZONE, VARIANTS, Zoo } from './type-zoo.harness';
import { Random, randomTable } from './type-zoo.random';

process.env['TZ'] = TIME_ZONE;

/** Set CACHEFLOW_FUZZ_SEED to the seed in a failing test's name to get its tables again. */
const SEED = Number(process.env['CACHEFLOW_FUZZ_SEED'] ?? Date.now() % 1_000_000);
const TABLES = 12;
const ROWS = 30;

describe.each([
  { kind: 'MySQL', start: startMysql },
  { kind: 'MariaDB', start: startMariadb },
])(`random rows of random tables on $kind, seed ${SEED}`, ({ start }) => {
  let server: SqlServer;
  let zoo: Zoo;

  beforeAll(async () => {
    server = await start({ fast: true, env: { TZ: TIME_ZONE } });
    zoo = await Zoo.open(server, VARIANTS);
  });

  afterAll(async () => {
    await zoo?.close();
    await server?.dispose();
  });

  it.each(Array.from({ length: TABLES }, (_, i) => i))('equal what mysql2 selects: table %i', async (i) => {
    const table = randomTable(new Random(SEED + i), ROWS);
    const metadata = i % 2 === 0 ? 'FULL' : 'MINIMAL';
    const history = await zoo.live('fuzz', table, { metadata, image: 'FULL' });
    for (const variant of VARIANTS) expectEqual(decodeAll(history, variant.options), history, variant);
  });
});
