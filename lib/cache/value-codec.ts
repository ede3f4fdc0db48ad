import { ValueUnfitError } from '../errors/cache.errors';
import { errorKind } from '../errors/change.errors';
import type { ErrorReporter } from '../errors/error-reporter';
import type { CacheSerializer } from '../options/cache-serializer';
import type { Loaded } from './flights';
import type { Storability } from './storability';

/** What keeps being unfit is reported at once, and then no more often than this. */
const REPORT_INTERVAL_MILLIS = 10_000;

/** Turns values into text and back, and says so where that cannot be done. */
export class ValueCodec {
  private reportedAt = -Infinity;

  constructor(
    private readonly serializer: CacheSerializer,
    private readonly errors: ErrorReporter,
  ) {}

  /** The value of a text; undefined where it cannot be read. */
  read(text: string): { readonly value: unknown } | undefined {
    try {
      return { value: this.serializer.deserialize(text) };
    } catch (cause) {
      this.report(`A cached value cannot be read (${errorKind(cause)}); it is loaded anew`, cause);
      return undefined;
    }
  }

  /** A loaded value, with its text where it is to be cached. */
  write(given: unknown, storability: Storability = 'cached'): Loaded {
    if (storability === 'own') return { text: undefined, raw: given, isOwn: true };
    const raw = given ?? null;
    if (storability !== 'cached') {
      this.report(storability.reason);
      return { text: undefined, raw };
    }
    try {
      const text = this.serializer.serialize(raw);
      if (typeof text !== 'string') throw new TypeError('the serializer gave no string');
      return { text, raw };
    } catch (cause) {
      this.report(`A loaded value cannot be turned into text (${errorKind(cause)}); it is not cached`, cause);
      return { text: undefined, raw };
    }
  }

  /** What a caller gets: what the next one will find in the cache. */
  valueOf({ text, raw }: Loaded): unknown {
    const read = text === undefined ? undefined : this.read(text);
    return read ? read.value : raw;
  }

  /** At most once in a while. */
  report(problem: string, cause?: unknown): void {
    if (Date.now() - this.reportedAt < REPORT_INTERVAL_MILLIS) return;
    this.reportedAt = Date.now();
    this.errors.report(new ValueUnfitError(problem, { cause }));
  }
}
