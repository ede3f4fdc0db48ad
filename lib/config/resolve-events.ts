import type { EventsOptions } from '../options/cacheflow.options';
import type { OptionCheck } from './option-check';
import { isObject } from './option-check';
import { resolveGroup } from './option-group';

const EVENTS_NAMES: Record<keyof EventsOptions, true> = { delivery: true, maxLength: true, maxBytes: true };

/** Where `events$` has the changes, and the bounds of the stream that carries them. */
export function resolveEvents(check: OptionCheck, given: unknown): Required<EventsOptions> {
  if (isObject(given)) check.names('events', given, EVENTS_NAMES);
  const { delivery, maxLength, maxBytes } = isObject(given) ? given : {};
  const bounds = Object.entries({ maxLength, maxBytes }).filter(([, value]) => value !== undefined);
  return {
    delivery: check.oneOf('events.delivery', delivery, ['leader', 'everywhere']),
    ...resolveGroup(
      check,
      'events',
      given === undefined || isObject(given) ? Object.fromEntries(bounds) : given,
      { maxLength: 10_000, maxBytes: 64 * 1024 * 1024 },
    ),
  };
}
