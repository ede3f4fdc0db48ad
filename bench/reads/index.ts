import { createPool } from 'mysql2/promise';
import type { RedisServer, SqlServer } from '../../test/support/servers';
import { countHerdLoads, HERD } from './herd';
import { measureHits } from './hit-cost';
import type { ReadingApp } from './reading-app';
import { openReadingApp } from './reading-app';

/** Some 240 bytes as JSON. */
const COLUMNS = 'id, name, email, price, note, created, state, code';
const HERD_APPS = 4;
/** The most that a hit may cost, in times of what plain Redis costs. */
const HIGHEST_RATIO = 1.25;

/** Measures `getOrLoad` on the rows of the workload and prints it; false where a figure is not what it has to be. */
export async function benchReads(sql: SqlServer, redisServer: RedisServer): Promise<boolean> {
  const pool = createPool({ ...sql.connectionOptions(), database: 'bench' });
  const apps: ReadingApp[] = [];
  try {
    for (let app = 1; app <= HERD_APPS; app++) {
      apps.push(await openReadingApp(sql, redisServer, `reads-${app}`));
    }
    const [first] = apps as [ReadingApp, ...ReadingApp[]];
    const hits = await measureHits(first, 'bench:items:1', () => loadRow(1));
    console.log(`\nA hit (the ratio may be ${HIGHEST_RATIO}):`);
    console.table(hits);
    const inOne = await countHerdLoads([first], 'bench:items:2', () => loadRow(2));
    const inAll = await countHerdLoads(apps, 'bench:items:3', () => loadRow(3));
    console.log(`\n${HERD} readers of one missing key at once (the loader may be called once in one app):`);
    console.table({
      'one app': { 'loader calls': inOne },
      [`${HERD_APPS} apps, each with its own client`]: { 'loader calls': inAll },
    });
    return inOne === 1 && Object.values(hits).every((cost) => cost['median ratio'] <= HIGHEST_RATIO);
  } finally {
    await Promise.all(apps.map((app) => app.close()));
    await pool.end();
  }

  async function loadRow(id: number): Promise<unknown> {
    const [rows] = await pool.query(`SELECT ${COLUMNS} FROM items WHERE id = ?`, [id]);
    return (rows as unknown[])[0];
  }
}
