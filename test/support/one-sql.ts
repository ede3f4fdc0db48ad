import { afterAll, afterEach, beforeAll, describe } from 'vitest';
import { Stage } from './each-sql';
import type { SqlServerOptions } from './servers';
import { startMariadb, startMysql } from './servers';

export interface OneSqlOptions {
  /** Further arguments of the SQL server. */
  readonly sql?: SqlServerOptions;
  /** Statements to run once, as root. */
  readonly schema?: string;
}

/** As `describeEachSql`, for what only one of the servers has. Redis is emptied after each test. */
export function describeOneSql(
  kind: 'mysql' | 'mariadb',
  title: string,
  options: OneSqlOptions,
  body: (stage: Stage) => void,
): void {
  describe(title, () => {
    const stage = new Stage(kind);
    beforeAll(async () => {
      const start = kind === 'mysql' ? startMysql : startMariadb;
      [stage.sql] = await Promise.all([start(options.sql), stage.openRedis()]);
      if (options.schema) await stage.sql.query(options.schema);
    });
    afterEach(async () => {
      await stage.closeApps();
      await stage.redis.flushall();
    });
    afterAll(async () => {
      await Promise.all([stage.sql?.dispose(), stage.closeRedis()]);
    });
    body(stage);
  });
}
