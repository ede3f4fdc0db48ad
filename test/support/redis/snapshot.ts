import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { RedisServer } from '../servers';

/** Kills Redis and starts it on the snapshot, which may be older; resolves when it answers. */
export async function restartFrom(server: RedisServer, snapshot: string | undefined): Promise<void> {
  await server.kill();
  const file = join(server.dataDir, 'dump.rdb');
  if (snapshot === undefined) await rm(file, { force: true });
  else await copyFile(snapshot, file);
  await server.start();
}

/** Keeps what Redis holds now until the test ends; resolves with the path of the snapshot. */
export async function takeSnapshot(server: RedisServer): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'cacheflow-rewind-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await server.command('SAVE');
  const path = join(folder, 'dump.rdb');
  await copyFile(join(server.dataDir, 'dump.rdb'), path);
  return path;
}
