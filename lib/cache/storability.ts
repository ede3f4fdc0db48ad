/**
 * What becomes of a loaded value:
 *
 * - `cached`: it is put into the cache
 * - a reason: it is not, and the reason is reported
 * - `own`: it is for its caller alone, as a stream that can be read only once
 */
export type Storability = 'cached' | 'own' | { readonly reason: string };

/** Tells it of a value. */
export type StorabilityCheck = (value: unknown) => Storability;
