import type { Observer, Operator, Subscription } from 'rxjs';
import { Observable, Subject, Subscriber } from 'rxjs';

type OnThrow = (error: unknown) => void;

/**
 * An observable whose subscribers cannot harm the rest. RxJS throws what a subscriber throws, or an error that
 * a subscriber does not handle, again as an uncaught exception, which ends the process; here it is reported, as
 * is the rejection of an async subscriber.
 * What is derived from it with `pipe` is guarded too.
 */
class GuardedObservable<T> extends Observable<T> {
  constructor(
    source: Observable<T>,
    private readonly onThrow: OnThrow,
  ) {
    super();
    this.source = source;
  }

  override lift<R>(operator?: Operator<T, R>): Observable<R> {
    const lifted = new GuardedObservable<R>(this as unknown as Observable<R>, this.onThrow);
    lifted.operator = operator as Operator<unknown, R> | undefined;
    return lifted;
  }

  override subscribe(
    observerOrNext?: Partial<Observer<T>> | ((value: T) => void) | null,
    error?: ((error: unknown) => void) | null,
    complete?: (() => void) | null,
  ): Subscription {
    if (observerOrNext instanceof Subscriber) return super.subscribe(observerOrNext);
    const observer: Partial<Observer<T>> =
      typeof observerOrNext === 'function' || !observerOrNext
        ? { next: observerOrNext ?? undefined, error: error ?? undefined, complete: complete ?? undefined }
        : observerOrNext;
    return super.subscribe({
      next: (value) => this.guard(() => observer.next?.(value)),
      error: (cause) => this.guard(() => (observer.error ? observer.error(cause) : this.onThrow(cause))),
      complete: () => this.guard(() => observer.complete?.()),
    });
  }

  private guard(call: () => unknown): void {
    try {
      const result = call();
      if (result instanceof Promise) result.catch(this.onThrow);
    } catch (error) {
      this.onThrow(error);
    }
  }
}

/** A subject that only hands out its guarded observable. */
export class GuardedSubject<T> {
  private readonly subject = new Subject<T>();
  readonly observable: Observable<T>;

  constructor(onThrow: OnThrow) {
    this.observable = new GuardedObservable(this.subject, onThrow);
  }

  /** Whether anybody listens. */
  get observed(): boolean {
    return this.subject.observed;
  }

  next(value: T): void {
    this.subject.next(value);
  }

  complete(): void {
    this.subject.complete();
  }
}
