import 'reflect-metadata';
import { DEFAULT_NAME } from '../support/injection-tokens';
import type { CachedMetadata, CachedOptions } from './cached-options';

const METADATA_KEY = 'nestjs-cacheflow:cached-response';

/** The parts of a request that the key of its response can be made from. They are the same in Express and Fastify. */
export interface CachedRequest {
  readonly method: string;
  readonly url: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/**
 * Defines how {@link CacheflowInterceptor} caches the response of a route: as a row of a table, or under a key of its
 * own. With a table, the library makes the key from the route parameters that have the names of the key's columns.
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
