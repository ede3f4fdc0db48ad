import { expect, it } from 'vitest';
import { codesOf } from '../../support/app';
import { describeEachSql } from '../../support/each-sql';
import { waitFor } from '../../support/wait-for';

const SCHEMA = 'CREATE DATABASE shop; CREATE TABLE shop.users (id INT PRIMARY KEY, name VARCHAR(32))';
const tables = [{ db: 'shop', table: 'users' }];

describeEachSql('the lease in Redis', { schema: SCHEMA }, (stage) => {
  it('that comes late from a Redis that hung is no lead that was lost', { timeout: 60_000 }, async () => {
    const options = { tables, election: 'redis', takeoverSeconds: 1 } as const;
    const apps = [await stage.app(options), await stage.boot(options)];
    const [leader, standby] = apps;
    const isLed = (): boolean =>
      apps.some(
        ({ cacheflow }) =>
          cacheflow.status().group.role === 'leader' && cacheflow.status().state === 'streaming',
      );
    await waitFor(() => standby?.cacheflow.status().state === 'standby', { message: 'the standby' });
    stage.redisServer.pause();
    try {
      await waitFor(() => leader?.cacheflow.status().group.role === 'standby', {
        message: 'the end of the lead',
      });
      // Longer than the lease that is asked for meanwhile.
      const since = Date.now();
      await waitFor(() => Date.now() - since > 2_000);
    } finally {
      stage.redisServer.resume();
    }
    await waitFor(isLed, { message: 'a leader', timeoutMillis: 30_000 });
    await stage.sql.query("REPLACE INTO shop.users VALUES (1, 'x')");
    await standby?.cacheflow.caughtUp();
    expect(standby && codesOf(standby)).not.toContain('CACHEFLOW_LEADERSHIP_LOST');
  });
});
