/** Resolves after a time; rejects with the signal's reason when it is aborted first. */
export async function sleep(millis: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    }, millis);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}

/** What the promise comes to, unless the signal is aborted first: then it rejects with the signal's reason. */
export async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    // Also when it is too late, so that a rejection nobody waits for does not end the process.
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/** Runs with a signal that is aborted together with the first of several. Not `AbortSignal.any`, see {@link withDeadline}. */
export async function withSignals<T>(
  signals: readonly AbortSignal[],
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const onAbort = (): void => controller.abort(signals.find((each) => each.aborted)?.reason);
  for (const each of signals) each.addEventListener('abort', onAbort, { once: true });
  if (signals.some((each) => each.aborted)) onAbort();
  try {
    return await run(controller.signal);
  } finally {
    for (const each of signals) each.removeEventListener('abort', onAbort);
  }
}

/**
 * Runs with a signal that is aborted after a time, or together with another one. Not `AbortSignal.timeout`
 * inside `AbortSignal.any`: Node 20 may collect the timeout as garbage, and then it never fires.
 */
export async function withDeadline<T>(
  millis: number,
  outer: AbortSignal,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const onOuter = (): void => controller.abort(outer.reason);
  outer.addEventListener('abort', onOuter, { once: true });
  if (outer.aborted) onOuter();
  const timer = setTimeout(() => controller.abort(new Error(`Took longer than ${millis} ms`)), millis);
  try {
    return await run(controller.signal);
  } finally {
    clearTimeout(timer);
    outer.removeEventListener('abort', onOuter);
  }
}

/** Resolves when the first of the signals is aborted. */
export async function firstAborted(...signals: AbortSignal[]): Promise<void> {
  if (signals.some((signal) => signal.aborted)) return;
  await new Promise<void>((resolve) => {
    const onAbort = (): void => {
      for (const signal of signals) signal.removeEventListener('abort', onAbort);
      resolve();
    };
    for (const signal of signals) signal.addEventListener('abort', onAbort);
  });
}
