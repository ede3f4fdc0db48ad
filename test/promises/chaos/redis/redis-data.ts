import { copyFile, mkdir, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RedisServer } from '../../../support/servers';

const SNAPSHOT_MILLIS = 8_000;
const SNAPSHOTS_KEPT = 3;

/** Old states of Redis, and its return with one of them or with none. */
export class RedisData {
  private readonly snapshots: string[] = [];
  private taken = 0;
  private takenAt = 0;

  constructor(
    private readonly redis: RedisServer,
    private readonly folder: string,
  ) {}

  /** Puts the present state aside, unless the last one is still young. */
  async snapshot(): Promise<void> {
    if (Date.now() - this.takenAt < SNAPSHOT_MILLIS) return;
    this.takenAt = Date.now();
    await this.redis.command('SAVE');
    const file = join(this.folder, `snapshot-${++this.taken}.rdb`);
    await copyFile(join(this.redis.dataDir, 'dump.rdb'), file);
    this.snapshots.push(file);
    if (this.snapshots.length > SNAPSHOTS_KEPT) await rm(this.snapshots.shift() ?? '', { force: true });
  }

  /**
   * Redis is gone at once, together with what it wrote in the last `millis`: a machine that fails with
   * `appendfsync everysec`. A SIGKILL alone loses nothing, because the kernel has the writes by then.
   */
  async crash(millis: number): Promise<void> {
    const log = await this.appendedLog();
    const { size } = await stat(log);
    await sleep(millis);
    await this.redis.kill();
    // A log that was rewritten meanwhile is another file.
    if ((await this.appendedLog()) === log) await truncate(log, size);
    await this.redis.start();
  }

  /** Redis is gone at once and comes back with the oldest state that was put aside. */
  async rewind(): Promise<void> {
    const [file] = this.snapshots;
    if (file === undefined) throw new Error('There is no snapshot');
    await this.redis.kill();
    await this.clear();
    // The base file of an append-only log may be an RDB file.
    const log = join(this.redis.dataDir, 'appendonlydir');
    await mkdir(log);
    await copyFile(file, join(log, 'appendonly.aof.1.base.rdb'));
    await writeFile(join(log, 'appendonly.aof.manifest'), 'file appendonly.aof.1.base.rdb seq 1 type b\n');
    await this.redis.start();
  }

  /** Redis is gone at once and comes back empty. */
  async lose(): Promise<void> {
    await this.redis.kill();
    await this.clear();
    await this.redis.start();
  }

  /** The file that is being appended to. */
  private async appendedLog(): Promise<string> {
    const folder = join(this.redis.dataDir, 'appendonlydir');
    const numbers = (await readdir(folder)).flatMap((name) => /\.(\d+)\.incr\.aof$/.exec(name)?.[1] ?? []);
    return join(folder, `appendonly.aof.${Math.max(...numbers.map(Number))}.incr.aof`);
  }

  private async clear(): Promise<void> {
    await rm(join(this.redis.dataDir, 'appendonlydir'), { recursive: true, force: true });
    await rm(join(this.redis.dataDir, 'dump.rdb'), { force: true });
  }
}
