import { Inject, Injectable, Logger } from '@nestjs/common';
import type { Observable } from 'rxjs';
import { GuardedSubject } from '../support/guarded-subject';
import { CACHEFLOW_NAME } from '../support/injection-tokens';
import type { CacheflowError } from './cacheflow.error';
import { ChangeError } from './change.errors';

/** Of errors alike (same code, same table), one in this time is logged; all are emitted and counted. */
const LOG_INTERVAL_MILLIS = 1_000;
const MAX_KINDS = 1_000;
const MAX_FRAMES = 5;

/** The one way for errors out of the tail: log, `errors$`, counter. */
@Injectable()
export class ErrorReporter {
  private readonly logger: Logger;
  private readonly subject = new GuardedSubject<CacheflowError>((error) =>
    this.logger.error(describe(error)),
  );
  private readonly logged = new Map<string, { at: number; suppressed: number }>();
  /** Errors since the start. */
  count = 0;

  constructor(@Inject(CACHEFLOW_NAME) name: string) {
    this.logger = new Logger(name === 'default' ? 'Cacheflow' : `Cacheflow:${name}`);
  }

  get errors$(): Observable<CacheflowError> {
    return this.subject.observable;
  }

  report(error: CacheflowError): void {
    this.count++;
    this.log(error);
    this.subject.next(error);
  }

  warn(message: string): void {
    this.logger.warn(message);
  }

  info(message: string): void {
    this.logger.log(message);
  }

  complete(): void {
    this.subject.complete();
  }

  /** Only our own message is logged: the cause may hold row values. */
  private log(error: CacheflowError): void {
    const kind = `${error.code}:${error instanceof ChangeError ? error.table : ''}`;
    const now = Date.now();
    const last = this.logged.get(kind);
    if (last && now - last.at < LOG_INTERVAL_MILLIS) {
      last.suppressed++;
      return;
    }
    const more = last?.suppressed ? ` (${last.suppressed} more like the one before were not logged)` : '';
    if (this.logged.size >= MAX_KINDS) this.logged.clear();
    this.logged.set(kind, { at: now, suppressed: 0 });
    this.logger.error(`${error.code}: ${error.message}${more}`, framesOf(error.cause));
  }
}

/** Where an error of the app was thrown: only the frames of its stack, because its message may hold row values. */
function framesOf(cause: unknown): string | undefined {
  if (!(cause instanceof Error)) return undefined;
  const frames = (cause.stack ?? '').split('\n').filter((line) => /^\s+at .*:\d+:\d+\)?$/.test(line));
  return frames.length > 0 ? frames.slice(0, MAX_FRAMES).join('\n') : undefined;
}

function describe(error: unknown): string {
  return `A subscriber of errors$ threw: ${error instanceof Error ? error.name : typeof error}`;
}
