import type { EventsOptions } from '../options/cacheflow.options';
import type { OptionCheck } from './option-check';
import { isObject } from './option-check';
import { resolveGroup } from './option-group';

/** Where `events$` has the changes, and the bounds of the stream that carries them. */
export function resolveEvents(check: OptionCheck, given: unknown): Required<EventsOptions> {
  const { delivery, ...bounds } = isObject(given) ? given : {};
  const isGroup = given === undefined || isObject(given);
  return {
    delivery: check.oneOf('events.delivery', delivery, ['leader', 'everywhere']),
    ...resolveGroup(check, 'events', isGroup ? bounds : given, {
      maxLength: 10_000,
      maxBytes: 64 * 1024 * 1024,
    }),
  };
}
