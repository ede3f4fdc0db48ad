import { messageOf } from '../errors/cacheflow.error';
import { CacheBypassedError } from '../errors/cache.errors';
import type { ErrorReporter } from '../errors/error-reporter';
import type { RedisClient } from '../redis/redis-client';
import { isRefusal } from '../redis/redis-writer';
import { replyCode } from '../redis/reply-code';
import { withTimeout } from '../support/with-timeout';

/** How long readers go without Redis, before one of them tries it again. */
const OPEN_MILLIS = 1_000;
/** What keeps failing is reported at once, and then no more often than this. */
const REPORT_INTERVAL_MILLIS = 10_000;

/** What came of asking Redis: its answer, or undefined where it has none. */
export type Answer<T> = { readonly value: T } | undefined;

/** Asks Redis on behalf of readers, who must not wait for it: while it is away, they go without it. */
export class Circuit {
  private openSince: number | undefined;
  private tryAgainAt = 0;
  private reportedAt = -Infinity;
  private refusalReportedAt = -Infinity;

  constructor(
    private readonly client: RedisClient,
    private readonly timeoutMillis: number,
    private readonly errors: ErrorReporter,
  ) {}

  /** Since when readers go without Redis, in milliseconds since 1970; undefined while they do not. */
  get since(): number | undefined {
    return this.openSince;
  }

  /** Never rejects. A command that took too long may still be carried out. */
  async ask<T>(question: () => Promise<T>): Promise<Answer<T>> {
    if (this.openSince !== undefined && !this.mayTry()) return undefined;
    try {
      const value = await withTimeout(question(), this.timeoutMillis, () => this.tookTooLong());
      this.openSince = undefined;
      return { value };
    } catch (cause) {
      if (isRefusal(cause)) this.refused(cause);
      else this.failed(cause);
      return undefined;
    }
  }

  /** One reader in a while, and only where the client has a connection (or makes one for its first command). */
  private mayTry(): boolean {
    const { status } = this.client;
    if (Date.now() < this.tryAgainAt || (status !== 'ready' && status !== 'wait')) return false;
    this.tryAgainAt = Date.now() + OPEN_MILLIS;
    return true;
  }

  private tookTooLong(): never {
    throw new Error(`no answer within ${this.timeoutMillis} ms`);
  }

  private failed(cause: unknown): void {
    this.openSince ??= Date.now();
    this.tryAgainAt = Date.now() + OPEN_MILLIS;
    if (Date.now() - this.reportedAt < REPORT_INTERVAL_MILLIS) return;
    this.reportedAt = Date.now();
    this.errors.report(
      new CacheBypassedError(
        `Redis does not answer readers (${messageOf(cause)}); their loaders do, and nothing is cached meanwhile`,
        { cause },
      ),
    );
  }

  /** Redis works, but does not take this command: a value of another type, no right to a key, no memory. */
  refused(cause: Error): void {
    this.openSince = undefined;
    if (Date.now() - this.refusalReportedAt < REPORT_INTERVAL_MILLIS) return;
    this.refusalReportedAt = Date.now();
    const code = replyCode(cause.message);
    const cure =
      code === 'OOM'
        ? 'give Redis more memory'
        : 'allow the user GET, SET, UNLINK and scripts on the keys and on cf:*, and keep other types away from them';
    this.errors.report(
      new CacheBypassedError(
        `Redis refuses what a reader needs (${code}); its loader answers, and nothing is cached: ${cure}`,
        { cause },
      ),
    );
  }
}
