import 'reflect-metadata';
import type { INestApplicationContext, LoggerService, ModuleMetadata } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { CacheflowModule, CacheflowService, getCacheflowToken } from '../../lib';
import type { CacheflowError, CacheflowExtras, CacheflowOptions, ChangeEvent } from '../../lib';

/** A Nest application with cacheflow in it, and what came out of it so far. */
export interface TestApp {
  readonly context: INestApplicationContext;
  readonly cacheflow: CacheflowService;
  readonly events: ChangeEvent[];
  readonly errors: CacheflowError[];
  /** Every line that was logged. */
  readonly log: string[];
  close(): Promise<void>;
}

/** Keeps the lines instead of printing them. */
export class MemoryLogger implements LoggerService {
  readonly lines: string[] = [];
  private readonly keep = (...parts: unknown[]): void => {
    this.lines.push(parts.map(String).join(' '));
  };
  readonly log = this.keep;
  readonly error = this.keep;
  readonly warn = this.keep;
  readonly debug = this.keep;
  readonly verbose = this.keep;
  readonly fatal = this.keep;
}

export type AppOptions = CacheflowOptions & CacheflowExtras;

/** Boots an app with one source. `more` adds providers and the like; rejects as Nest does when the start fails. */
export async function startApp(options: AppOptions, more: ModuleMetadata = {}): Promise<TestApp> {
  return bootApp(
    { ...more, imports: [...(more.imports ?? []), CacheflowModule.forRoot(options)] },
    options.name,
  );
}

/** Boots an app that imports CacheflowModule by itself. */
export async function bootApp(metadata: ModuleMetadata, name?: string): Promise<TestApp> {
  class TestModule {}
  const logger = new MemoryLogger();
  const context = await NestFactory.createApplicationContext(
    { module: TestModule, ...metadata },
    { logger, abortOnError: false },
  );
  const cacheflow = context.get<CacheflowService>(getCacheflowToken(name) as string, { strict: false });
  const events: ChangeEvent[] = [];
  const errors: CacheflowError[] = [];
  cacheflow.events$.subscribe((event) => events.push(event));
  cacheflow.errors$.subscribe((error) => errors.push(error));
  return { context, cacheflow, events, errors, log: logger.lines, close: () => context.close() };
}

/** The codes of the errors that an app reported, each once. */
export function codesOf(app: TestApp): string[] {
  return [...new Set(app.errors.map(({ code }) => code))].sort();
}
