import { expect, it } from 'vitest';
import { resolveConfig } from '../../../lib/config/cacheflow.config';
import { ErrorReporter } from '../../../lib/errors/error-reporter';
import { EventHub } from '../../../lib/events/event-hub';
import { TablePattern } from '../../../lib/keys/table-pattern';
import { changeOf } from '../../support/distribution-harness';

it('publishes a whole batch in the term in which it began, also when another one begins meanwhile', async () => {
  const config = resolveConfig({ mysql: { user: 'u' }, redis: {}, tables: [{ db: 'shop', table: '*' }] });
  const hub = new EventHub(config, new ErrorReporter('default'));
  const terms: number[] = [];
  const handler = {
    name: 'Test.handle',
    patterns: [new TablePattern('*')],
    actions: undefined,
    everywhere: false,
    handle: () => undefined,
  };
  const distributor = {
    term: 7,
    publish: async (_change: unknown, _event: unknown, term: number) => {
      terms.push(term);
      distributor.term++;
      return Promise.resolve({ settled: Promise.resolve(true) });
    },
  };
  hub.register([handler], {
    signal: new AbortController().signal,
    giveUp: () => Promise.resolve(),
    isOurs: () => true,
    distributor,
  });
  await hub.publish([changeOf(1, 1), changeOf(1, 2)]);
  await hub.publish([changeOf(1, 3)]);
  expect(terms).toEqual([7, 7, 9]);
});
