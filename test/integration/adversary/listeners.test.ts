import { expect, it, onTestFinished } from 'vitest';
import { describeEachSql } from '../../support/each-sql';
import { waitFor } from '../../support/wait-for';

const SCHEMA = `CREATE DATABASE shop; CREATE TABLE shop.users (id INT PRIMARY KEY, name VARCHAR(50));`;
const tables = [{ db: 'shop', table: 'users' }];

describeEachSql('a leader that is asked', { schema: SCHEMA }, (stage) => {
  it('F19: by a dozen calls at a time prints no warning', async () => {
    const warnings: string[] = [];
    const keep = (warning: Error): void => void warnings.push(warning.message);
    process.on('warning', keep);
    onTestFinished(() => void process.off('warning', keep));
    const a = await stage.app({ tables });
    const b = await stage.boot({ tables });
    await waitFor(
      () => b.cacheflow.status().group.leader !== undefined && b.cacheflow.status().state === 'standby',
    );
    await a.cacheflow.pause();
    await stage.sql.query("REPLACE INTO shop.users VALUES (1, 'x')");
    const all = Array.from({ length: 12 }, () => b.cacheflow.caughtUp());
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    await a.cacheflow.resume();
    await Promise.all(all);
    console.log(warnings);
    expect(warnings.filter((each) => each.includes('memory leak'))).toEqual([]);
  });
});
