import { Inject, Injectable } from '@nestjs/common';
import { messageOf } from '../errors/cacheflow.error';
import { ErrorReporter } from '../errors/error-reporter';
import { RedisRewoundError, RedisUnavailableError } from '../errors/redis.errors';
import { untilAborted } from '../support/abort';
import { Backoff } from '../support/backoff';
import { isCluster } from './redis-client';
import { RedisConnection } from './redis-connection';
import { isRefusal, isReply } from './redis-writer';
import { replyCode } from './reply-code';

/** A hold is reported at once, and then no more often than this. */
const REPORT_INTERVAL_MILLIS = 10_000;
/** An answer that takes longer than this is worth a report, though it is still waited for. */
const SLOW_MILLIS = 5_000;

/** So often Redis may hang up on a command, or let it time out, and answer a PING right afterwards. */
const HANG_UPS = 4;

/** Redis works, but does not stand this command (a value above proto-max-bulk-len, a script that takes too long). */
export class RedisHangsUpError extends Error {}

/** Holds the pipeline while Redis is away. */
@Injectable()
export class RedisHold {
  /** When each of what waits for an answer began to, the oldest first. */
  private readonly waits = new Set<{ readonly since: number }>();

  constructor(
    @Inject(RedisConnection) private readonly redis: RedisConnection,
    @Inject(ErrorReporter) private readonly errors: ErrorReporter,
  ) {}

  /** Since when something waits for Redis, in milliseconds since 1970; undefined while nothing does. */
  get waitingSince(): number | undefined {
    const [oldest] = this.waits;
    return oldest?.since;
  }

  /**
   * Runs it again until Redis answers, so it has to be safe to repeat. Rejects with Redis's own refusal, with
   * {@link RedisHangsUpError} when Redis answers other questions but never this one, or with the signal's reason.
   */
  async run<T>(signal: AbortSignal, attempt: () => Promise<T>): Promise<T> {
    const wait = { since: Date.now() };
    this.waits.add(wait);
    try {
      return await this.untilAnswered(signal, attempt);
    } finally {
      this.waits.delete(wait);
    }
  }

  /**
   * As `run`, for what the tail has to know before it can begin. A refusal is said to be one of Redis: the tail takes an
   * error without a name for one of the source.
   *
   * @throws RedisUnavailableError where Redis refuses it
   */
  async ask<T>(signal: AbortSignal, question: () => Promise<T>): Promise<T> {
    try {
      return await this.run(signal, question);
    } catch (cause) {
      if (!isRefusal(cause)) throw cause;
      throw new RedisUnavailableError(
        `Redis refuses what the tail needs before it can begin (${replyCode(cause.message)}); trying again. Allow the user the ` +
          'commands and keys that the documentation lists',
        { cause },
      );
    }
  }

  private async untilAnswered<T>(signal: AbortSignal, attempt: () => Promise<T>): Promise<T> {
    let hangUps = 0;
    const backoff = new Backoff({ minMillis: 50, maxMillis: 2_000 });
    let reportedAt = 0;
    const report = (problem: string, cause?: unknown): void => {
      if (Date.now() - reportedAt < REPORT_INTERVAL_MILLIS) return;
      reportedAt = Date.now();
      this.errors.report(new RedisUnavailableError(`${problem}; the tail holds meanwhile`, { cause }));
    };
    for (let again = false; ; again = true) {
      signal.throwIfAborted();
      const slow = setInterval(() => {
        report(`Redis has not answered for ${SLOW_MILLIS} ms`);
        this.lookForMasters();
      }, SLOW_MILLIS);
      try {
        // A client that times out by itself keeps what it could not send: one small question, not the batch again.
        if (again) {
          await untilAborted(this.redis.client.ping(), signal);
          hangUps++;
        }
        return await untilAborted(attempt(), signal);
      } catch (cause) {
        signal.throwIfAborted();
        if (isRefusal(cause) || cause instanceof RedisRewoundError) throw cause;
        // In a cluster the PING may have gone to another node; a reply is no hang-up.
        if (isCluster(this.redis.client) || isReply(cause)) hangUps = 0;
        if (hangUps >= HANG_UPS) throw new RedisHangsUpError(messageOf(cause), { cause });
        report(`Redis does not take commands (${messageOf(cause)})`, cause);
      } finally {
        clearInterval(slow);
      }
      await backoff.wait(signal);
    }
  }

  /** A master of a cluster that hangs was replaced perhaps, which ioredis learns of others only. */
  private lookForMasters(): void {
    const { client } = this.redis;
    // What was sent to a node that is none any more fails then, and is tried again.
    if (isCluster(client)) client.refreshSlotsCache();
  }
}
