import { afterEach, expect, it, vi } from 'vitest';
import { GroupRegistry } from '../../../lib/group/group-registry';
import { sleep } from '../../../lib/support/abort';
import { describeEachSql } from '../../support/each-sql';
import { GroupOfProcesses } from '../../support/spawn-group';

const SCHEMA = 'CREATE DATABASE shop; CREATE TABLE shop.users (id INT PRIMARY KEY, name VARCHAR(32))';
const TABLES = [{ db: 'shop', table: 'users' }];
/** Longer than a process takes to ask after its boot. */
const LATE_MILLIS = 300;

describeEachSql('the line between the processes of a group', { schema: SCHEMA }, (stage) => {
  const group = new GroupOfProcesses();
  afterEach(() => {
    group.end();
    vi.restoreAllMocks();
  });

  it('serves a process that asks before it has heard of its group', async () => {
    const leader = await group.add(stage.options({ tables: TABLES }));
    await leader.caughtUp();
    const { beat } = GroupRegistry.prototype;
    const looks = vi.spyOn(GroupRegistry.prototype, 'beat').mockImplementation(async function late(
      this: GroupRegistry,
    ) {
      if (this.snapshot === undefined) await sleep(LATE_MILLIS, new AbortController().signal);
      return beat.call(this);
    });
    const standby = await stage.boot({ tables: TABLES });
    expect(standby.cacheflow.status().group.leader).toBeUndefined();
    await standby.cacheflow.caughtUp({ timeoutMillis: 10_000 });
    expect(standby.cacheflow.status().group.role).toBe('standby');
    expect(looks).toHaveBeenCalled();
  });
});
