import { expect, it, onTestFinished } from 'vitest';
import type { TableOptions } from '../../../lib';
import { describeEachSql } from '../../support/each-sql';
import { startMariadb, startMysql } from '../../support/servers';

// Places in the binlogs of two servers cannot be compared: neither may be taken for older than the other.

const SCHEMA = 'CREATE DATABASE shop; CREATE TABLE shop.items (id INT PRIMARY KEY, n INT)';
const ITEMS: TableOptions = { db: 'shop', table: 'items', strategy: 'write-through' };

describeEachSql('two sources that share a Redis and a table', { schema: SCHEMA }, (stage) => {
  it('keep out no change of the one because the binlog of the other has come further', async () => {
    const start = stage.kind === 'mysql' ? startMysql : startMariadb;
    const green = await start({ args: ['--server-id=7'] });
    onTestFinished(() => green.dispose());
    await green.query(SCHEMA);
    for (let file = 0; file < 6; file++) await stage.sql.query('FLUSH BINARY LOGS');

    const first = await stage.app({ tables: [ITEMS], name: 'blue' });
    await stage.sql.query('REPLACE INTO shop.items VALUES (9, 1)');
    await first.cacheflow.caughtUp();
    expect(await stage.redis.get('shop:items:9')).toBe('{"id":9,"n":1}');
    await first.close();

    const second = await stage.app({ tables: [ITEMS], name: 'green', mysql: green.connectionOptions() });
    await green.query('REPLACE INTO shop.items VALUES (9, 2)');
    await second.cacheflow.caughtUp();
    expect(await stage.redis.get('shop:items:9')).toBe('{"id":9,"n":2}');
    expect(second.errors).toEqual([]);
  });
});
