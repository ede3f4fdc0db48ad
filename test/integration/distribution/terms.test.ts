import { expect, it } from 'vitest';
import type { ChangeEvent } from '../../../lib';
import { Partitions } from '../../../lib/distribution/partitions';
import type { Member, MemberOptions } from '../../support/distribution-harness';
import { TestGroup, changeOf } from '../../support/distribution-harness';
import { DistributionStage } from '../../support/distribution-stage';
import { withRabbit } from '../../support/retry-harness';
import { waitFor } from '../../support/wait-for';

// What the broker has confirmed is behind the checkpoint: no fence between the terms of two leaders may drop it.

const stage = new DistributionStage();

const idOf = (event: ChangeEvent): number => Number(event.after?.['id']);

async function member(
  name: string,
  handle: MemberOptions['handle'],
  more: Partial<MemberOptions> = {},
): Promise<Member> {
  const handlers = { partitions: 1, concurrency: 1 };
  return stage.member({ name, handle, handlers, ...more });
}

/** Messages that no process has been given yet. */
async function waiting(name: string): Promise<number> {
  const [queue = ''] = new Partitions(name, 1).queues;
  return withRabbit(stage.url, async (channel) => (await channel.checkQueue(queue)).messageCount);
}

it('handles a change of an earlier term that comes back when its partition moves to another process', async () => {
  const name = 'moves';
  const group = new TestGroup();
  group.set('a');
  const calls: { readonly by: string; readonly id: number }[] = [];
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  let term = 10;
  const publisher = await member(name, () => undefined, { consume: false, term: () => term });
  const before = await member(
    name,
    async (event) => {
      calls.push({ by: 'a', id: idOf(event) });
      await opened;
    },
    { members: group.member('a') },
  );
  await publisher.publish(changeOf(1, 1), changeOf(2, 1));
  await waitFor(() => calls.length === 1);
  term = 11;
  await publisher.publish(changeOf(3, 1));
  await waitFor(async () => (await waiting(name)) === 0, { message: 'all to be handed out' });
  await member(name, (event) => void calls.push({ by: 'b', id: idOf(event) }), {
    members: group.member('b'),
  });
  group.set('b');
  await waitFor(() => before.distribution.status?.partitions.length === 0, { message: 'the move' });
  // A process makes room for another one when it is handed something.
  await publisher.publish(changeOf(4, 1));
  await waitFor(async () => (await waiting(name)) === 0, { message: 'the last change to be handed out' });
  open();
  await waitFor(() => calls.some(({ id }) => id === 4), { message: 'the last change' });
  expect(calls).toEqual([
    { by: 'a', id: 1 },
    { by: 'b', id: 2 },
    { by: 'b', id: 3 },
    { by: 'b', id: 4 },
  ]);
});

it('handles changes of a process that elects nobody, although a group led by terms came before', async () => {
  const name = 'lone';
  const ids: number[] = [];
  const handle = (event: ChangeEvent): void => void ids.push(idOf(event));
  const before = await member(name, handle, { term: () => 1_700_000_000_000 });
  await before.publish(changeOf(1, 1));
  await waitFor(() => ids.length === 1);
  await before.stop();
  // As LoneProcess says.
  const after = await member(name, handle, { term: () => 0 });
  await after.publish(changeOf(2, 1));
  await waitFor(() => ids.length === 2 || after.distribution.status?.fenced === 1);
  expect(ids).toEqual([1, 2]);
});
