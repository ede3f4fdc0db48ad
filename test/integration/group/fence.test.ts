import { expect, it } from 'vitest';
import type { Checkpoint, CheckpointStore } from '../../../lib';
import { LeadershipLostError } from '../../../lib';
import { RedisCheckpointStore } from '../../../lib/checkpoint/redis-checkpoint.store';
import { RewindGuard } from '../../../lib/redis/rewind-guard';
import { claimTerm, groupKeys } from '../../../lib/redis/scripts/group';
import type { TestApp } from '../../support/app';
import { codesOf } from '../../support/app';
import { describeEachSql } from '../../support/each-sql';
import { waitFor } from '../../support/wait-for';

const SCHEMA = 'CREATE DATABASE shop; CREATE TABLE shop.users (id INT PRIMARY KEY, name VARCHAR(32))';
const tables = [{ db: 'shop', table: 'users' }];
const CHECKPOINT = 'cacheflow:default:checkpoint';

describeEachSql('a leader that does not know that it is deposed', { schema: SCHEMA }, (stage) => {
  /** Begins a term, as a process does that has the lock. */
  async function succeed(app: TestApp): Promise<number> {
    const { redis } = stage;
    const keys = groupKeys(redis, 'default');
    const server = (await redis.hget(keys.group, 'server')) ?? '';
    const by = { own: 'successor', server, groupId: 'unused', digest: '', print: '{}', above: 0 };
    const claim = await claimTerm(redis, keys, by);
    if (claim.kind !== 'claimed') throw new Error('The term was not given');
    expect(claim.term).toBeGreaterThan(app.cacheflow.status().group.term);
    return claim.term;
  }

  it('cannot move the checkpoint over that of its successor, and steps down when it tries', async () => {
    const app = await stage.app({ tables });
    await stage.sql.query("REPLACE INTO shop.users VALUES (1, 'a')");
    await app.cacheflow.caughtUp();
    await waitFor(async () => (await stage.redis.get(CHECKPOINT))?.includes('"term"'));
    const term = await succeed(app);
    const saved = JSON.stringify({ ...(app.cacheflow.status().checkpoint as Checkpoint), term });
    await stage.redis.set(CHECKPOINT, saved);
    await stage.sql.query("REPLACE INTO shop.users VALUES (1, 'b')");
    await waitFor(() => codesOf(app).includes('CACHEFLOW_LEADERSHIP_LOST'), {
      message: 'the lead to be lost',
    });
    // It is elected again, because nobody else has the lock, and begins where the successor stopped.
    await waitFor(() => app.cacheflow.status().group.term > term, { message: 'the next term' });
    await app.cacheflow.caughtUp();
    const seen = app.events.map(({ after }) => after?.['name']);
    // The change was applied, and not covered by what the successor had saved.
    expect(seen.filter((name) => name === 'b').length).toBeGreaterThanOrEqual(2);
    expect(codesOf(app)).toEqual(['CACHEFLOW_LEADERSHIP_LOST']);
  });

  it('passes a term that its store knows and Redis has forgotten', async () => {
    const before = await stage.app({ tables });
    const position = before.cacheflow.status().position as Checkpoint;
    await before.close();
    // Of a Redis whose clock was ahead, and which has lost the group since.
    const later = Date.now() + 3_600_000;
    let stored: Checkpoint = { ...position, term: later };
    const checkpoint: CheckpointStore = {
      isFenced: true,
      load: async () => Promise.resolve(stored),
      save: async (_name, each) => {
        if ((each.term ?? 0) < (stored.term ?? 0)) throw new LeadershipLostError('A later leader has saved');
        stored = each;
        return Promise.resolve();
      },
    };
    await stage.redis.flushall();
    const app = await stage.app({ tables, checkpoint });
    await stage.sql.query("REPLACE INTO shop.users VALUES (1, 'c')");
    await waitFor(() => (stored.term ?? 0) > later, { message: 'a checkpoint of a later term' });
    await app.cacheflow.caughtUp();
    expect(codesOf(app).filter((code) => code === 'CACHEFLOW_LEADERSHIP_LOST').length).toBeLessThanOrEqual(1);
    expect(app.cacheflow.status().group.term).toBe(stored.term);
  });

  it('is refused by the script that saves, and leaves what is there', async () => {
    const app = await stage.app({ tables });
    const { term } = app.cacheflow.status().group;
    await app.close();
    const { redis } = stage;
    const guard = new RewindGuard('default', { client: redis } as never);
    await guard.begin();
    const store = new RedisCheckpointStore(redis, guard);
    const before = await redis.get(CHECKPOINT);
    await expect(store.save('default', { file: 'late', offset: 1, term: term - 1 })).rejects.toBeInstanceOf(
      LeadershipLostError,
    );
    expect(await redis.get(CHECKPOINT)).toBe(before);
    await store.save('default', { file: 'own', offset: 1, term });
    expect(await store.load('default')).toEqual({ file: 'own', offset: 1, term });
  });
});
