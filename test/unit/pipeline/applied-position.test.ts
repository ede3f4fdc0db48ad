import { expect, it } from 'vitest';
import { AppliedPosition } from '../../../lib/pipeline/applied-position';

const at = (offset: number, number = 1) => ({ file: `binlog.00000${number}`, offset });
const NEVER = new AbortController().signal;

it('wakes those whose target was reached, and no others', async () => {
  const position = new AppliedPosition();
  const reached: number[] = [];
  position.start(at(100), { serverUuid: 'a', epoch: 1 }, undefined, true);
  await position.reach(at(100), NEVER);
  const near = position.reach(at(200), NEVER).then(() => reached.push(200));
  const far = position.reach(at(4, 2), NEVER).then(() => reached.push(4));
  position.moveTo(at(250));
  await near;
  expect(reached).toEqual([200]);
  position.moveTo(at(50, 2));
  await far;
  expect(reached).toEqual([200, 4]);
});

it('ends a wait by its signal', async () => {
  const position = new AppliedPosition();
  const controller = new AbortController();
  const waiting = expect(position.reach(at(1), controller.signal)).rejects.toThrow('enough');
  controller.abort(new Error('enough'));
  await waiting;
  await expect(position.reach(at(1), controller.signal)).rejects.toThrow('enough');
});

it('never goes back in the files of one server, and does on another', () => {
  const position = new AppliedPosition();
  const gtids = { set: 'u:1', add: (gtid: string) => (gtids.set = gtid), toString: () => gtids.set };
  position.start(at(500, 3), { serverUuid: 'a', epoch: 1 }, gtids, true);
  position.addGtid('u:1-2');
  expect(position.moveTo(at(300, 3))).toEqual({
    ...at(500, 3),
    gtidSet: 'u:1-2',
    serverUuid: 'a',
    epoch: 1,
  });
  expect(position.moveTo(at(600, 3))).toMatchObject(at(600, 3));
  position.start({ file: '', offset: 0 }, { serverUuid: 'b', epoch: 2 }, gtids, false);
  expect(position.moveTo(at(80, 1))).toMatchObject({ ...at(80, 1), serverUuid: 'b', epoch: 2 });
});

it('has reached nothing until the first batch was applied, where a flush has to come first', async () => {
  const position = new AppliedPosition();
  position.start(undefined, { serverUuid: 'a', epoch: 1 }, undefined, true);
  expect([position.value, position.hasReached(at(4))]).toEqual([undefined, false]);
  position.moveTo(at(100));
  await position.reach(at(100), NEVER);
  expect(position.value).toEqual({ ...at(100), serverUuid: 'a', epoch: 1 });
});
