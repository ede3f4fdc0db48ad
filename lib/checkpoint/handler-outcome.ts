/** How the calls of handlers end: a promise in an object, so that awaiting the queue does not await the handler. */
export interface HandlerOutcome {
  /** True once the handlers have succeeded or were given up on; false where a shutdown cut them short. */
  readonly settled: Promise<boolean>;
}

/** The outcome of two parts of a batch's work. */
export function both(
  one: HandlerOutcome | undefined,
  other: HandlerOutcome | undefined,
): HandlerOutcome | undefined {
  if (!one || !other) return one ?? other;
  return { settled: Promise.all([one.settled, other.settled]).then((results) => results.every(Boolean)) };
}
