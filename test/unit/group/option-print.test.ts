import { expect, it } from 'vitest';
import { resolveConfig } from '../../../lib/config/cacheflow.config';
import { differences, printOptions } from '../../../lib/group/option-print';
import type { EventsOptions } from '../../../lib';

const print = (events: EventsOptions): ReturnType<typeof printOptions> =>
  printOptions(
    resolveConfig({ mysql: { user: 'u' }, redis: {}, tables: [{ db: 'a', table: 'b' }], events }),
    'source',
  );

it('tells processes apart whose events$ have other changes, but not those with other bounds', () => {
  expect(differences(print({}), print({ delivery: 'everywhere' }))).toEqual(['events.delivery']);
  expect(differences(print({}), print({ maxLength: 5, maxBytes: 5 }))).toEqual([]);
});
