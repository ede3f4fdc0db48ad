import type { InjectionToken } from '@nestjs/common';
import { Inject } from '@nestjs/common';
import { DEFAULT_NAME } from './support/injection-tokens';
import { CacheflowService } from './cacheflow.service';

/** The token of the CacheflowService of a source; the class itself for the one without a name. */
export function getCacheflowToken(name: string = DEFAULT_NAME): InjectionToken<CacheflowService> {
  return name === DEFAULT_NAME ? CacheflowService : `CacheflowService:${name}`;
}

/** Injects the {@link CacheflowService} of the source with this `name`. */
export function InjectCacheflow(name: string = DEFAULT_NAME): PropertyDecorator & ParameterDecorator {
  return Inject(getCacheflowToken(name));
}
