import { spawn } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Inject, Injectable, Module } from '@nestjs/common';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Checkpoint, CheckpointStore } from '../../../lib';
import { describeEachSql } from '../../support/each-sql';
import { waitFor } from '../../support/wait-for';
import { itOnOneServer } from '../../support/redis/on-one-server';

const SCHEMA =
  'CREATE DATABASE user; CREATE TABLE user.users (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(50))';
const TABLES = [{ db: 'user', table: 'users' }];
const INSERT = "INSERT INTO user.users (name) VALUES ('x')";

/** Keeps every checkpoint it is given. */
class RecordingStore implements CheckpointStore {
  readonly saves: { name: string; checkpoint: Checkpoint }[] = [];
  refusals = 0;
  overlapping = false;
  private busy = false;

  async load(): Promise<Checkpoint | null> {
    return this.saves.at(-1)?.checkpoint ?? null;
  }

  async save(name: string, checkpoint: Checkpoint): Promise<void> {
    this.overlapping ||= this.busy;
    this.busy = true;
    await Promise.resolve();
    this.busy = false;
    if (this.refusals > 0) {
      this.refusals--;
      throw new Error('the store is away');
    }
    this.saves.push({ name, checkpoint });
  }
}

describeEachSql('the checkpoint', { schema: SCHEMA }, (stage) => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cacheflow-checkpoint-'));
  });
  afterAll(async () => rm(folder, { recursive: true, force: true }));

  itOnOneServer('is kept in Redis beside the data, under the name of the source', async () => {
    const app = await stage.app({
      tables: TABLES,
      name: 'shop',
      redis: { port: stage.redisServer.port, db: 3 },
    });
    await stage.sql.query(INSERT);
    await app.cacheflow.caughtUp();
    await app.close();
    expect(await stage.redis.keys('*')).toEqual([]);
    await stage.redis.select(3);
    try {
      expect(await keysBut(':watermark')).toEqual([
        'cacheflow:epochs',
        'cacheflow:shop:checkpoint',
        'cf:{cacheflow:shop:checkpoint}:group',
      ]);
      const stored = JSON.parse((await stage.redis.get('cacheflow:shop:checkpoint')) ?? '') as unknown;
      expect(stored).toEqual({ ...app.cacheflow.status().position });
      expect(await stage.redis.ttl('cacheflow:shop:checkpoint')).toBe(-1);
    } finally {
      await stage.redis.select(0);
    }
  });

  it('can be kept in a file, in folders that are made', async () => {
    const file = join(folder, stage.sql.kind, 'deep', 'checkpoint.json');
    const options = { tables: TABLES, checkpoint: { file } };
    const app = await stage.app(options);
    await stage.sql.query(INSERT);
    await app.cacheflow.caughtUp();
    await app.close();
    expect(JSON.parse(await readFile(file, 'utf8'))).toEqual({ ...app.cacheflow.status().position });
    expect(await stage.redis.exists('cacheflow:default:checkpoint')).toBe(0);
    await stage.sql.query(INSERT);
    const again = await stage.app(options);
    expect(again.events).toHaveLength(1);
    await again.close();
    expect(await readdir(join(folder, stage.sql.kind, 'deep'))).toEqual(['checkpoint.json']);
  });

  it('is whole in its file at whatever moment the process is killed', async () => {
    const file = join(folder, `killed-${stage.sql.kind}.json`);
    const script = `
      const { FileCheckpointStore } = require(${JSON.stringify(join(__dirname, '../../../.build/lib/checkpoint/file-checkpoint.store'))});
      const store = new FileCheckpointStore(${JSON.stringify(file)});
      const gtidSet = 'x'.repeat(100000);
      (async () => { for (let offset = 0; ; offset++) { await store.save('', { file: 'binlog.1', offset, gtidSet }); if (offset === 0) console.log('ready'); } })();`;
    for (let round = 0; round < 5; round++) {
      const child = spawn(process.execPath, ['-e', script]);
      await new Promise((resolve) => child.stdout.once('data', resolve));
      const start = await readFile(file, 'utf8');
      await waitFor(async () => (await readFile(file, 'utf8')) !== start);
      const ended = new Promise((resolve) => child.once('close', resolve));
      child.kill('SIGKILL');
      await ended;
      const { gtidSet } = JSON.parse(await readFile(file, 'utf8')) as Checkpoint;
      expect(gtidSet).toHaveLength(100_000);
    }
  });

  /** All keys but those of this end: the watermark is published when there was time for it. */
  async function keysBut(end: string): Promise<string[]> {
    return (await stage.redis.keys('*')).filter((key) => !key.endsWith(end)).sort();
  }

  it('can be kept in a store of the app, by instance', async () => {
    const store = new RecordingStore();
    const app = await stage.app({ tables: TABLES, checkpoint: store, name: 'own' });
    for (let id = 0; id < 5; id++) await stage.sql.query(INSERT);
    await app.cacheflow.caughtUp();
    await app.close();
    expect(store.saves.every(({ name }) => name === 'own')).toBe(true);
    expect(store.saves.at(-1)?.checkpoint).toEqual(app.cacheflow.status().position);
    const offsets = store.saves.map(({ checkpoint }) => checkpoint.offset);
    expect(offsets).toEqual([...offsets].sort((a, b) => a - b));
    expect(await keysBut(':watermark')).toEqual(['cacheflow:epochs', 'cf:{cacheflow:own:checkpoint}:group']);
  });

  it('can be kept in a store of the app, by class, which is a provider or made with its dependencies', async () => {
    const kept: unknown[] = [];
    @Injectable()
    class Shelf {
      readonly kept = kept;
    }
    @Injectable()
    class ShelfStore implements CheckpointStore {
      constructor(@Inject(Shelf) private readonly shelf: Shelf) {}
      async load(): Promise<Checkpoint | null> {
        return null;
      }
      async save(_name: string, checkpoint: Checkpoint): Promise<void> {
        this.shelf.kept.push(checkpoint);
      }
    }
    @Module({ providers: [Shelf, ShelfStore], exports: [Shelf] })
    class ShelfModule {}
    const asProvider = await stage.app(
      { tables: TABLES, checkpoint: ShelfStore },
      { imports: [ShelfModule] },
    );
    await stage.sql.query(INSERT);
    await asProvider.cacheflow.caughtUp();
    await asProvider.close();
    expect(kept.at(-1)).toEqual(asProvider.cacheflow.status().position);

    kept.length = 0;
    @Module({ providers: [{ provide: Shelf, useClass: Shelf }], exports: [Shelf] })
    class OnlyShelfModule {}
    const made = await stage.app(
      { tables: TABLES, checkpoint: ShelfStore },
      { imports: [{ module: OnlyShelfModule, global: true }] },
    );
    await stage.sql.query(INSERT);
    await made.cacheflow.caughtUp();
    await made.close();
    expect(kept.at(-1)).toEqual(made.cacheflow.status().position);
  });

  it.each([
    ['no JSON', '{"file":"binlog.0000'],
    ['empty', ''],
    ['of another kind', '{"position":4}'],
    ['null', 'null'],
  ])('that is damaged (%s) is an error and not a new start', async (_title, text) => {
    await stage.redis.set('cacheflow:default:checkpoint', text);
    const app = await stage.boot({ tables: TABLES, reconnect: { minMillis: 10, maxMillis: 10 } });
    await stage.sql.query(INSERT);
    await waitFor(() => app.errors.length > 0);
    expect(app.errors[0]?.code).toBe('CACHEFLOW_CHECKPOINT_FAILED');
    expect(app.errors[0]?.message).toContain('damaged: delete it to start anew');
    expect(app.cacheflow.status()).toMatchObject({ state: 'connecting', position: undefined });
    expect(app.cacheflow.status().reason).toContain('damaged');
    expect(app.log.join('\n')).toContain('damaged');
    await expect(app.cacheflow.caughtUp({ timeoutMillis: 50 })).rejects.toThrow('damaged');
    expect(await stage.redis.get('cacheflow:default:checkpoint')).toBe(text);
    // Mended by hand, without a restart.
    await stage.redis.del('cacheflow:default:checkpoint');
    await app.cacheflow.caughtUp();
  });

  it('lags behind while its store refuses, and catches up afterwards; the cache is kept right meanwhile', async () => {
    const store = new RecordingStore();
    const app = await stage.app({ tables: TABLES, checkpoint: store });
    await stage.sql.query(INSERT);
    await app.cacheflow.caughtUp();
    await waitFor(() => store.saves.at(-1)?.checkpoint.offset === app.cacheflow.status().position?.offset);
    const saved = store.saves.length;
    store.refusals = Infinity;
    for (let id = 0; id < 10; id++) await stage.sql.query(INSERT);
    await app.cacheflow.caughtUp();
    expect(app.events).toHaveLength(11);
    await waitFor(() => app.errors.length > 2);
    expect(app.errors.every(({ code }) => code === 'CACHEFLOW_CHECKPOINT_FAILED')).toBe(true);
    expect(app.errors[0]?.message).toContain('the store is away');
    expect(store.saves).toHaveLength(saved);
    store.refusals = 0;
    await waitFor(() => store.saves.at(-1)?.checkpoint.offset === app.cacheflow.status().position?.offset);
    expect(store.overlapping).toBe(false);
  });

  itOnOneServer('never moves past a batch that Redis has not acknowledged', async () => {
    const store = new RecordingStore();
    const app = await stage.app({ tables: TABLES, checkpoint: store });
    await stage.sql.query(INSERT);
    await app.cacheflow.caughtUp();
    await waitFor(() => store.saves.at(-1)?.checkpoint.offset === app.cacheflow.status().position?.offset);
    const saved = store.saves.length;
    stage.redisServer.pause();
    try {
      for (let id = 0; id < 5; id++) await stage.sql.query(INSERT);
      await waitFor(() => app.cacheflow.status().queuedRows >= 5);
      await expect(app.cacheflow.caughtUp({ timeoutMillis: 300 })).rejects.toThrow('did not catch up');
      expect(store.saves).toHaveLength(saved);
      expect(app.events).toHaveLength(1);
    } finally {
      stage.redisServer.resume();
    }
    await app.cacheflow.caughtUp();
    await waitFor(() => store.saves.at(-1)?.checkpoint.offset === app.cacheflow.status().position?.offset);
    expect(app.events).toHaveLength(6);
  });

  it('is not touched by an app whose shutdown was cut short', async () => {
    const store = new RecordingStore();
    let blocked = false;
    let release!: () => void;
    const released = new Promise<void>((resolve) => (release = resolve));
    const save = store.save.bind(store);
    const slow: CheckpointStore = {
      load: () => store.load(),
      save: async (name, checkpoint) => {
        if (blocked) await released;
        await save(name, checkpoint);
      },
    };
    const app = await stage.app({ tables: TABLES, checkpoint: slow, shutdownTimeoutMillis: 100 });
    const before = store.saves.length;
    blocked = true;
    await stage.sql.query(INSERT);
    await stage.sql.query(INSERT);
    await waitFor(() => app.events.length > 0);
    await app.close();
    release();
    // What was under way ends; nothing new begins.
    await waitFor(() => store.saves.length > before);
    await new Promise((resolve) => setImmediate(resolve));
    expect(store.saves).toHaveLength(before + 1);
  });
});
