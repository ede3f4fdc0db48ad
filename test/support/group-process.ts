// One process of a group, so that a test can kill or freeze it: boots with the options given as JSON, tells each call of
// its handler and each error, and answers questions.
import 'reflect-metadata';
import { Injectable } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { CacheflowOptions, CacheflowStatus, ChangeEvent } from '../../lib';
import { CacheflowModule, CacheflowService, OnBinlog } from '../../lib';

/** What a process of a group tells by itself. */
export type Told =
  | { readonly kind: 'ready' }
  | { readonly kind: 'call'; readonly row: number; readonly value: string; readonly at: number }
  | { readonly kind: 'error'; readonly code: string; readonly message: string }
  | { readonly kind: 'answer'; readonly id: number; readonly value?: unknown; readonly problem?: string };

export interface Question {
  readonly id: number;
  readonly ask: 'status' | 'caughtUp' | 'pause' | 'resume' | 'keyOf' | 'read' | 'close';
  readonly args: readonly unknown[];
}

/** How long a call of the handler takes, in milliseconds. */
const HANDLER_MILLIS = Number(process.env['HANDLER_MILLIS'] ?? 0);

function tell(told: Told): void {
  process.send?.(told);
}

@Injectable()
class Listener {
  @OnBinlog<{ id: number; name: string }>('shop.users')
  async onUser({ after, before }: ChangeEvent<{ id: number; name: string }>): Promise<void> {
    const row = (after ?? before)?.id ?? 0;
    tell({ kind: 'call', row, value: after?.name ?? 'deleted', at: Date.now() });
    if (HANDLER_MILLIS > 0) await new Promise((resolve) => setTimeout(resolve, HANDLER_MILLIS));
  }
}

async function main(): Promise<void> {
  class ProcessModule {}
  const options = JSON.parse(process.argv[2] ?? '{}') as CacheflowOptions;
  const app = await NestFactory.createApplicationContext(
    { module: ProcessModule, imports: [CacheflowModule.forRoot(options)], providers: [Listener] },
    { logger: ['error', 'warn'] },
  );
  const cacheflow = app.get(CacheflowService);
  cacheflow.errors$.subscribe(({ code, message }) => tell({ kind: 'error', code, message }));
  const answers: Record<Question['ask'], (...args: never[]) => unknown> = {
    status: (): CacheflowStatus => cacheflow.status(),
    caughtUp: (timeoutMillis: number) => cacheflow.caughtUp({ timeoutMillis }),
    pause: () => cacheflow.pause(),
    resume: () => cacheflow.resume(),
    keyOf: (table: string, row: object) => cacheflow.keyOf(table, row),
    read: (key: string, value: unknown, how?: object) =>
      cacheflow.getOrLoad(key, () => Promise.resolve(value), how),
    close: () => app.close(),
  };
  process.on('message', ({ id, ask, args }: Question) => {
    void (async () => {
      try {
        tell({ kind: 'answer', id, value: await answers[ask](...(args as never[])) });
      } catch (error) {
        tell({ kind: 'answer', id, problem: (error as Error).message });
      }
      if (ask === 'close') process.disconnect?.();
    })();
  });
  tell({ kind: 'ready' });
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
