import type { DiscoveryService, MetadataScanner } from '@nestjs/core';
import type { InstanceWrapper } from '@nestjs/core/injector/instance-wrapper';

/** A provider or controller of the app. */
export interface Provided {
  readonly wrapper: InstanceWrapper;
  /** Null for one that is made at each request, or for a value that is no object. */
  readonly instance: object | null;
  readonly prototype: object;
}

/** A method of a provider or controller. */
export interface ProvidedMethod {
  /** `Class.method`: not the wrapper's name, which is the provider's token and may be a symbol. */
  readonly name: string;
  readonly method: string;
  readonly target: (...args: never[]) => unknown;
}

/** All providers and controllers of the app, each instance once: it may be provided again, by an alias or a factory. */
export function* providedBy(discovery: DiscoveryService): Generator<Provided> {
  const seen = new Set<object>();
  for (const wrapper of [...discovery.getProviders(), ...discovery.getControllers()]) {
    if (wrapper.isAlias) continue;
    const value: unknown = wrapper.instance;
    const instance = typeof value === 'object' ? value : null;
    const prototype = prototypeOf(wrapper, instance);
    if (!prototype || (instance && seen.has(instance))) continue;
    if (instance) seen.add(instance);
    yield { wrapper, instance, prototype };
  }
}

/** The methods of a class and of those that it extends. */
export function* methodsOf(scanner: MetadataScanner, prototype: object): Generator<ProvidedMethod> {
  for (const method of scanner.getAllMethodNames(prototype)) {
    const target = (prototype as Record<string, unknown>)[method];
    if (typeof target !== 'function') continue;
    const name = `${prototype.constructor.name}.${method}`;
    yield { name, method, target: target as ProvidedMethod['target'] };
  }
}

/** Instances with a null prototype and values that are no objects have no methods to look at. */
function prototypeOf(wrapper: InstanceWrapper, instance: object | null): object | undefined {
  if (instance) return (Object.getPrototypeOf(instance) as object | null) ?? undefined;
  // Request-scoped providers have no instance yet, but a class.
  return typeof wrapper.metatype === 'function'
    ? (wrapper.metatype.prototype as object | undefined)
    : undefined;
}
