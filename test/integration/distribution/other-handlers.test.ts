import { expect, it } from 'vitest';
import type { ChangeEvent } from '../../../lib';
import type { MemberOptions } from '../../support/distribution-harness';
import { TestGroup, changeOf } from '../../support/distribution-harness';
import { DistributionStage } from '../../support/distribution-stage';
import { waitFor } from '../../support/wait-for';

// A rolling deployment that adds a handler: processes of both versions consume.

const stage = new DistributionStage();

const OLD = ['Mails.send'];
const NEW = ['Mails.send', 'Points.add'];
const ROWS = Array.from({ length: 12 }, (_, index) => index + 1);

function record(calls: string[]): MemberOptions['handle'] {
  return ({ after }: ChangeEvent, name) => void calls.push(`${name} ${String(after?.['id'])}`);
}

it('has the new handler called for each change, by a process that has it', async () => {
  const [name, group, calls] = ['deployed', new TestGroup(), [] as string[]];
  group.set('old-1', 'old-2', 'new');
  for (const id of ['old-1', 'old-2'])
    await stage.member({ name, names: OLD, handle: record(calls), members: group.member(id) });
  const next = await stage.member({ name, names: NEW, handle: record(calls), members: group.member('new') });
  expect(await next.publish(...ROWS.map((id) => changeOf(id, 1)))).toBe(true);
  const expected = NEW.flatMap((each) => ROWS.map((id) => `${each} ${id}`)).sort();
  await waitFor(() => new Set(calls).size === expected.length, {
    message: 'all calls',
    timeoutMillis: 30_000,
  });
  expect([...new Set(calls)].sort()).toEqual(expected);
  const letters = await Promise.all(stage.running.map((each) => each.retry.deadLetters.list()));
  expect(letters.flat()).toEqual([]);
});

it('sets the calls aside that no process can make, and makes the others', async () => {
  const [name, calls] = ['removed', [] as string[]];
  const before = await stage.member({ name, names: NEW, handle: record([]), consume: false });
  expect(await before.publish(changeOf(1, 1))).toBe(true);
  await before.stop();
  const retry = { maxAttempts: 1, backoffMillis: 10 };
  const after = await stage.member({ name, names: OLD, handle: record(calls), retry });
  await waitFor(() => calls.length > 0, { message: 'the call', timeoutMillis: 60_000 });
  expect(calls).toEqual(['Mails.send 1']);
  await waitFor(async () => (await after.retry.deadLetters.list()).length === 1, {
    message: 'the dead letter',
  });
  expect((await after.retry.deadLetters.list())[0]).toMatchObject({ handler: 'Points.add' });
  expect(after.errors.map(({ code }) => code)).toContain('CACHEFLOW_HANDLER_FAILED');
});
