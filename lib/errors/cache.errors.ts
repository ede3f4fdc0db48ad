import { CacheflowError } from './cacheflow.error';

/** Redis is away, or refuses what readers need: the loaders answer meanwhile, and nothing is cached. */
export class CacheBypassedError extends CacheflowError {
  readonly code = 'CACHEFLOW_CACHE_BYPASSED';
}

/** A loaded value cannot be cached, or a cached one cannot be read; the loader answers. */
export class ValueUnfitError extends CacheflowError {
  readonly code = 'CACHEFLOW_VALUE_UNFIT';
}

/** No key can be told for what was asked: the table is not watched, or columns of its key are missing. */
export class KeyUnknownError extends CacheflowError {
  readonly code = 'CACHEFLOW_KEY_UNKNOWN';
}

/** A read was asked for with options that make no sense. */
export class ReadOptionsError extends CacheflowError {
  readonly code = 'CACHEFLOW_READ_OPTIONS';
}
