import type { ResolvedRetryOptions } from '../../config/resolve-retry';
import { messageOf } from '../../errors/cacheflow.error';
import type { ConfigurationFault } from '../../errors/configuration.error';
import type { ErrorReporter } from '../../errors/error-reporter';
import { CacheflowStoppedError } from '../../errors/source.errors';
import type { RedisConnection } from '../../redis/redis-connection';
import type { RedisHold } from '../../redis/redis-hold';
import { isRefusal } from '../../redis/redis-writer';
import { replyCode } from '../../redis/reply-code';
import { sleep } from '../../support/abort';
import { Backoff } from '../../support/backoff';
import { BackoffLevels, jittered } from '../backoff-levels';
import type { DeadLetters } from '../dead-letters';
import { deadLetterError } from '../describe-command';
import { eachLimited } from '../../support/each-limited';
import type { ParkedCommand } from '../parked-command';
import type { RetryCounters, RetryPath, SafeExecutor } from '../retry-path';
import { RedisDeadLetters } from './redis-dead-letters';

/** Commands that are tried again side by side; their waits run at the same time too. */
const CONCURRENCY = 256;

export interface InPlaceContext {
  readonly name: string;
  readonly options: ResolvedRetryOptions;
  readonly redis: RedisConnection;
  readonly hold: RedisHold;
  readonly errors: ErrorReporter;
  readonly counters: RetryCounters;
  readonly execute: SafeExecutor;
}

/** Tries commands again while the caller waits; what stays refused goes to a stream in Redis. */
export class InPlaceRetries implements RetryPath {
  readonly state = 'off';
  readonly deadLetters: DeadLetters;
  private readonly letters: RedisDeadLetters;
  private readonly levels: BackoffLevels;
  /** Ends requeues, which have no caller's signal. */
  private readonly stopping = new AbortController();
  /** Redis refused a value to the end: until it takes one again, waiting for each further one would only crawl. */
  private setsRefused = false;

  constructor(private readonly context: InPlaceContext) {
    this.levels = new BackoffLevels(context.options);
    this.letters = new RedisDeadLetters(context.name, context.redis, (command) =>
      this.run(command, this.stopping.signal),
    );
    this.deadLetters = this.letters;
  }

  async check(): Promise<readonly ConfigurationFault[]> {
    return [];
  }

  start(): void {
    // Nothing waits anywhere.
  }

  async park(commands: readonly ParkedCommand[], signal: AbortSignal): Promise<void> {
    await eachLimited(CONCURRENCY, commands, (command) => this.run(command, signal));
  }

  async stop(): Promise<void> {
    this.stopping.abort(new CacheflowStoppedError('The retries were stopped'));
  }

  /** Tries it to the end. */
  private async run(command: ParkedCommand, signal: AbortSignal): Promise<void> {
    const { options, counters, execute } = this.context;
    let last = command;
    for (let first = true; first || last.attempts < options.maxAttempts; first = false) {
      // While Redis refuses values, each further one gets a single attempt without a wait: it may have memory again.
      const hurried = last.work.kind === 'set' && this.setsRefused;
      if (last.attempts >= options.maxAttempts && !hurried) break;
      if (last.attempts > 0 && !hurried) await sleep(jittered(this.levels.after(last.attempts)), signal);
      const result = await execute(last, signal);
      if (result.done) {
        if (last.work.kind === 'set') this.setsRefused = false;
        counters.retried++;
        return;
      }
      last = { ...last, attempts: last.attempts + 1, reason: result.reason };
      if (hurried) break;
    }
    if (last.work.kind === 'set') this.setsRefused = true;
    await this.addDeadLetter(last, signal);
  }

  /** Puts it into the stream. What Redis does not even take there is held, except for values. */
  async addDeadLetter(command: ParkedCommand, signal: AbortSignal): Promise<void> {
    const { hold, errors, counters, execute } = this.context;
    const backoff = new Backoff({ minMillis: 500, maxMillis: 10_000 });
    for (;;) {
      try {
        await hold.run(signal, () => this.letters.add(command));
        counters.deadLettered++;
        errors.report(deadLetterError(command, 'it is kept in the stream of dead letters'));
        return;
      } catch (cause) {
        signal.throwIfAborted();
        const why = isRefusal(cause) ? replyCode(cause.message) : messageOf(cause);
        if (command.work.kind === 'set') {
          // Its key was removed when it was refused, so that the cache is right without it.
          errors.report(
            deadLetterError(
              command,
              `Redis refuses the dead letter as well (${why}), so it is gone: the key stays away until its row changes`,
            ),
          );
          return;
        }
        errors.report(
          deadLetterError(
            command,
            `Redis refuses the dead letter as well (${why}), so the tail holds until it takes one`,
          ),
        );
      }
      await backoff.wait(signal);
      const result = await execute(command, signal);
      if (result.done) {
        counters.retried++;
        return;
      }
    }
  }
}
