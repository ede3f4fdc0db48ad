import { mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where fetched servers and fresh data folders are kept between runs, outside the checkout. */
export function cacheDir(): string {
  const { CACHEFLOW_CACHE_DIR, XDG_CACHE_HOME } = process.env;
  const folder = CACHEFLOW_CACHE_DIR || join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'nestjs-cacheflow');
  mkdirSync(folder, { recursive: true });
  return folder;
}
