// One process of the demo's group: the sample app on a port of its own. Tells its parent where it listens and what its
// place in the group is, and ends with it.
import 'reflect-metadata';
import type { LogLevel } from '@nestjs/common';
import { CacheflowService, type GroupStatus, type TailState } from '../../lib';
import { AppConfig } from '../app.config';
import { createApp } from '../create-app';

/** What a process says of itself. */
export type Told =
  { readonly kind: 'ready'; readonly port: number } | { readonly kind: 'place'; readonly place: Place };

export interface Place extends Pick<GroupStatus, 'role' | 'since' | 'term'> {
  readonly state: TailState;
}

const LOOK_MILLIS = 50;
/** For an end that waits for servers that went with the parent. */
const END_MILLIS = 5_000;
const FAULTS: LogLevel[] = ['fatal', 'error', 'warn'];

function tell(told: Told): void {
  if (process.connected) process.send?.(told);
}

async function main(): Promise<void> {
  let end = (): void => process.exit(1);
  process.once('disconnect', () => end());
  const isQuiet = process.argv.includes('--quiet');
  const app = await createApp(AppConfig.fromEnvironment(), { logLevels: FAULTS });
  await app.listen(0, '127.0.0.1');
  app.enableShutdownHooks();
  if (!isQuiet) app.useLogger([...FAULTS, 'log']);

  const cacheflow = app.get(CacheflowService);
  let last = '';
  const look = (): void => {
    const { state, group } = cacheflow.status();
    const { role, since, term } = group;
    const place: Place = { role, since, term, state };
    const text = JSON.stringify(place);
    if (text === last) return;
    last = text;
    tell({ kind: 'place', place });
  };
  const looking = setInterval(look, LOOK_MILLIS);
  end = (): void => {
    clearInterval(looking);
    setTimeout(() => process.exit(1), END_MILLIS).unref();
    app.close().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  const { port } = new URL(await app.getUrl());
  tell({ kind: 'ready', port: Number(port) });
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
});
