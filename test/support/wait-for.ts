import { setTimeout as pause } from 'node:timers/promises';

const POLL_MILLIS = 10;

export interface WaitForOptions {
  /** How long to keep trying. @defaultValue 10000 */
  timeoutMillis?: number;
  /** What was waited for; begins the error's message. */
  message?: string;
}

type Falsy = false | 0 | '' | null | undefined;

/**
 * Polls `fn` until it gives something truthy, and returns that. A throw counts as "not yet".
 *
 * @throws Error after `timeoutMillis`, with the message and the last error as its cause.
 */
export async function waitFor<T>(
  fn: () => T | Promise<T>,
  options: WaitForOptions = {},
): Promise<Exclude<T, Falsy>> {
  const { timeoutMillis = 10_000, message = 'the condition' } = options;
  const deadline = Date.now() + timeoutMillis;
  for (;;) {
    let lastError: unknown;
    try {
      const value = await fn();
      if (value) return value as Exclude<T, Falsy>;
    } catch (error) {
      lastError = error;
    }
    if (Date.now() >= deadline) {
      const reason = lastError instanceof Error ? `: ${lastError.message}` : '';
      throw new Error(`Waited ${timeoutMillis} ms in vain for ${message}${reason}`, { cause: lastError });
    }
    await pause(POLL_MILLIS);
  }
}
