import type { BinlogPosition, CacheflowStatus } from '../../../lib';
import { waitFor } from '../../support/wait-for';
import type { App } from './app';
import type { Random } from './random';
import type { Settling } from './settle';

const LEADER_MILLIS = 60_000;

/** All processes of the app: one of them leads. */
export class AppGroup implements Settling {
  constructor(readonly all: readonly App[]) {}

  async start(): Promise<void> {
    await Promise.all(this.all.map((app) => app.start()));
  }

  async kill(): Promise<void> {
    await Promise.all(this.all.map((app) => app.kill()));
  }

  resume(): void {
    for (const app of this.all) app.resume();
  }

  /** Resolves with whether each ended in time. */
  async terminate(): Promise<boolean> {
    return (await Promise.all(this.all.map((app) => app.terminate()))).every(Boolean);
  }

  any(random: Random): App {
    return this.all.length === 1 ? this.all[0]! : random.pick(this.all);
  }

  /** Resolves once one leads and streams, with that one. Paused processes are not asked. */
  async leader(
    isWanted: (status: CacheflowStatus) => boolean = () => true,
  ): Promise<{ app: App; status: CacheflowStatus }> {
    return waitFor(
      async () => {
        for (const app of this.all) {
          if (!app.answers) continue;
          const status = await app.status();
          const leads = status.group.role === 'leader' && status.state === 'streaming';
          if (leads && isWanted(status)) return { app, status };
        }
        return undefined;
      },
      { message: 'a leader', timeoutMillis: LEADER_MILLIS },
    );
  }

  /** Asks each of them, standbys as well. */
  async caughtUp(timeoutMillis: number): Promise<void> {
    await Promise.all(this.running.map((app) => app.caughtUp(timeoutMillis)));
  }

  async pendingHandlers(): Promise<number> {
    const pending = await Promise.all(this.running.map((app) => app.pendingHandlers()));
    return pending.reduce((sum, each) => sum + each, 0);
  }

  async checkpoint(): Promise<BinlogPosition | undefined> {
    if (this.all.length === 1) return this.all[0]?.checkpoint();
    return (await this.leader()).status.checkpoint;
  }

  get eventFiles(): string[] {
    return this.all.flatMap((app) => app.eventFiles);
  }

  /** Errors by code, of all processes that were asked for their status. */
  get errors(): Record<string, number> {
    const sums: Record<string, number> = {};
    for (const { errors } of this.all)
      for (const [code, count] of Object.entries(errors)) sums[code] = (sums[code] ?? 0) + count;
    return sums;
  }

  private get running(): readonly App[] {
    return this.all.length === 1 ? this.all : this.all.filter(({ isRunning }) => isRunning);
  }
}
