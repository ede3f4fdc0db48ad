import 'reflect-metadata';
import { DEFAULT_NAME } from '../support/injection-tokens';
import type { CachedMetadata, CachedOptions } from './cached-options';

const METADATA_KEY = 'nestjs-cacheflow:cached-response';

/** What of a request the key of its response can be made of; Express and Fastify have it alike. */
export interface CachedRequest {
  readonly method: string;
  readonly url: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/**
 * Says how {@link CacheflowInterceptor} caches the response of a route: as the row of a table, whose key is made of the
 * route's parameters of the same names as its columns, or by a key of its own.
 *
 * @example `@Get(':id') @CachedResponse({ table: 'user.users' })`
 * @example `@CachedResponse({ key: ({ params }) => `org:${params.id}:page`, dependsOn: ({ params }) => [tag('org', params.id)] })`
 */
export function CachedResponse(options: CachedOptions<[request: CachedRequest]>): MethodDecorator {
  const source = options.source ?? DEFAULT_NAME;
  return (target, method, descriptor) => {
    const subject = `@CachedResponse on ${target.constructor.name}.${String(method)}`;
    Reflect.defineMetadata(METADATA_KEY, { options, source, subject }, descriptor.value as object);
  };
}

/** The metadata of a handler; undefined without the decorator. */
export function cachedResponseOf(handler: object): CachedMetadata | undefined {
  return Reflect.getMetadata(METADATA_KEY, handler) as CachedMetadata | undefined;
}
