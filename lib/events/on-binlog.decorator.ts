import 'reflect-metadata';
import { DEFAULT_NAME } from '../support/injection-tokens';
import type { ChangeAction, ChangeEvent, Row } from '../change/change-event';

/** Which changes a handler receives. */
export interface OnBinlogOptions {
  /** The actions for which the library calls the handler. @defaultValue all actions */
  actions?: readonly ChangeAction[];
  /** The `name` of the source. @defaultValue `'default'` */
  source?: string;
  /**
   * Calls the handler in every process of the group, for what a process keeps in its own memory. A failed call is
   * retried in that process and reported, but never parked. If a process misses changes, it reports an
   * `EventsMissedError` on `errors$`.
   *
   * @defaultValue `false`: the handler is called in one process for each change
   */
  everywhere?: boolean;
}

/** What the decorator leaves on a method; a method may carry several. */
export interface OnBinlogMetadata {
  readonly patterns: readonly string[];
  readonly actions: readonly ChangeAction[] | undefined;
  readonly source: string;
  readonly everywhere: boolean;
}

/** A constant string, so that two copies of this library in one app still understand each other. */
const METADATA_KEY = 'nestjs-cacheflow:on-binlog';

/** A decorator for methods that take a {@link ChangeEvent}. */
export type OnBinlogDecorator<T> = <M extends (event: ChangeEvent<T>) => unknown>(
  target: object,
  method: string | symbol,
  descriptor: TypedPropertyDescriptor<M>,
) => void;

/**
 * Calls the method for each change of the tables that a pattern matches, once the cache is right. The library awaits
 * the calls for one row in commit order. If a call rejects, the library retries it, then reports it on `errors$`.
 * Works on any provider or controller that is not request-scoped. After a restart, a change may arrive twice.
 *
 * @param pattern `'db.table'`, where `*` stands for any run of characters, or `'*'` for every table; or a list of these
 * @throws TypeError if it decorates something other than a method
 * @example `@OnBinlog<User>('user.users', { actions: ['update'] })`
 */
export function OnBinlog<T = Row>(
  pattern: string | readonly string[],
  options: OnBinlogOptions = {},
): OnBinlogDecorator<T> {
  return (target, method, descriptor) => {
    // Of a property there is no descriptor, though only JavaScript gets this far.
    const handler = (descriptor as typeof descriptor | undefined)?.value;
    if (!handler) {
      throw new TypeError(
        `@OnBinlog is for methods, which ${target.constructor.name}.${String(method)} is not`,
      );
    }
    const metadata: OnBinlogMetadata = {
      patterns: typeof pattern === 'string' ? [pattern] : pattern,
      actions: options.actions,
      source: options.source ?? DEFAULT_NAME,
      everywhere: options.everywhere ?? false,
    };
    Reflect.defineMetadata(METADATA_KEY, [...onBinlogMetadataOf(handler), metadata], handler);
  };
}

/** The metadata of a method, empty without the decorator. */
export function onBinlogMetadataOf(method: object): readonly OnBinlogMetadata[] {
  return (Reflect.getMetadata(METADATA_KEY, method) as OnBinlogMetadata[] | undefined) ?? [];
}
