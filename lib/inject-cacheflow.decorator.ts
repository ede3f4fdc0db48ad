import type { InjectionToken } from '@nestjs/common';
import { Inject } from '@nestjs/common';
import { DEFAULT_NAME } from './support/injection-tokens';
import { CacheflowService } from './cacheflow.service';

/** Returns the injection token of a source's CacheflowService. For a source without a name, it is the class itself. */
export function getCacheflowToken(name: string = DEFAULT_NAME): InjectionToken<CacheflowService> {
  return name === DEFAULT_NAME ? CacheflowService : `CacheflowService:${name}`;
}

/** Injects the {@link CacheflowService} of the source with this `name`. */
export function InjectCacheflow(name: string = DEFAULT_NAME): PropertyDecorator & ParameterDecorator {
  return Inject(getCacheflowToken(name));
}
