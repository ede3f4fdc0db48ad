import { CacheflowError } from './cacheflow.error';

/** Redis is away or refuses what readers need. In the meantime, the loaders answer, and the library caches nothing. */
export class CacheBypassedError extends CacheflowError {
  readonly code = 'CACHEFLOW_CACHE_BYPASSED';
}

/** The library cannot cache a loaded value or read a cached one. The loader answers. */
export class ValueUnfitError extends CacheflowError {
  readonly code = 'CACHEFLOW_VALUE_UNFIT';
}

/** The library cannot determine a key: the table is not watched, or columns of its key are missing, for example. */
export class KeyUnknownError extends CacheflowError {
  readonly code = 'CACHEFLOW_KEY_UNKNOWN';
}

/** A read has invalid options or an invalid key. */
export class ReadOptionsError extends CacheflowError {
  readonly code = 'CACHEFLOW_READ_OPTIONS';
}
