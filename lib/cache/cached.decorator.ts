import 'reflect-metadata';
import { Inject, Optional } from '@nestjs/common';
import { DEFAULT_NAME } from '../support/injection-tokens';
import type { CachedMetadata, CachedOptions } from './cached-options';
import type { CachedRunner } from './cached-runner';
import { cachedRunnerToken } from './cached-runner';

/** A constant string, so that two copies of this library in one app still understand each other. */
const METADATA_KEY = 'nestjs-cacheflow:cached';

/** A decorator for methods that take these arguments and return a promise. */
export type CachedDecorator<A extends readonly unknown[]> = <M extends (...args: A) => Promise<unknown>>(
  target: object,
  method: string | symbol,
  descriptor: TypedPropertyDescriptor<M>,
) => void;

type Method = (this: object, ...args: unknown[]) => Promise<unknown>;

/**
 * Reads the result of the method through the cache, as `CacheflowService.getOrLoad` does. With `table`, the key is the
 * key of a row. The library makes it from the arguments exactly as the tail makes it from the row, and so readers and
 * writers always agree on it. If the returned row has another key, the library does not cache it.
 *
 * Works on any provider or controller. If the class is created without Nest, as in a unit test, the method runs without
 * the cache.
 *
 * @throws TypeError if it decorates something other than a method of instances
 * @example `@Cached({ table: 'user.users' }) findOne(id: number): Promise<User | null>`
 * @example `@Cached({ table: 'user.users', by: 'email' }) findByEmail(email: string): Promise<User | null>`
 * @example `@Cached({ key: (orgId: number) => `org:${orgId}:members`, dependsOn: (orgId) => [tag('org', orgId)] })`
 */
export function Cached<A extends readonly unknown[] = never[]>(
  options: CachedOptions<A>,
): CachedDecorator<A> {
  const source = options.source ?? DEFAULT_NAME;
  return (target, method, descriptor) => {
    // Of a property there is no descriptor, though only JavaScript gets this far.
    const original = (descriptor as typeof descriptor | undefined)?.value as unknown as Method | undefined;
    if (!original) {
      throw new TypeError(
        `@Cached is for methods, which ${target.constructor.name}.${String(method)} is not`,
      );
    }
    if (typeof target === 'function') {
      throw new TypeError(
        `@Cached is for methods of instances, and ${target.name}.${String(method)} is static`,
      );
    }
    const subject = `@Cached on ${target.constructor.name}.${String(method)}`;
    const metadata = { options, source, subject } as unknown as CachedMetadata;
    const place = runnerProperty(source);
    const wrapper: Method = async function (...args) {
      const runner = (this as Record<symbol, CachedRunner | undefined>)[place];
      const proceed = async (): Promise<unknown> => original.apply(this, args);
      return runner ? runner.run({ metadata, args, proceed }) : proceed();
    };
    // What other decorators have left on the method.
    for (const key of Reflect.getMetadataKeys(original) as unknown[]) {
      Reflect.defineMetadata(key, Reflect.getMetadata(key, original), wrapper);
    }
    Object.defineProperty(wrapper, 'name', { value: original.name });
    Reflect.defineMetadata(METADATA_KEY, metadata, wrapper);
    descriptor.value = wrapper as unknown as typeof descriptor.value;
    // Tells that instances need one, also where a class overrides the method and calls it by `super`.
    Object.defineProperty(target, place, { value: undefined, writable: true, configurable: true });
    Inject(cachedRunnerToken(source))(target, place);
    Optional()(target, place);
  };
}

/** Where an instance keeps the runner of a source. */
export function runnerProperty(source: string): symbol {
  return Symbol.for(`nestjs-cacheflow:cached-runner:${source}`);
}

/** The metadata of a method; undefined without the decorator. */
export function cachedMetadataOf(method: object): CachedMetadata | undefined {
  return Reflect.getMetadata(METADATA_KEY, method) as CachedMetadata | undefined;
}
