import { expect, it } from 'vitest';
import { LeadershipLostError } from '../../../lib/errors/group.errors';
import { LockLife } from '../../../lib/group/lock-life';
import { waitFor } from '../../support/wait-for';

const LIFE = 150;
const silent = (): Error => new Error('the server is silent');

it('goes on for as long as it is confirmed', async () => {
  const life = new LockLife(LIFE, performance.now(), silent);
  let confirmed = 0;
  life.renew(async () => {
    confirmed++;
    return Promise.resolve();
  });
  await waitFor(() => confirmed >= 6);
  expect(life.isOver).toBe(false);
  life.end(new Error('done'));
  await life.settled();
  expect(life.isOver).toBe(true);
  expect(life.ended.reason).toEqual(new Error('done'));
});

it('ends when the server does not answer, counted from the question that was answered last', async () => {
  const start = performance.now();
  const life = new LockLife(LIFE, start, silent);
  life.renew(() => new Promise(() => undefined));
  await waitFor(() => life.ended.aborted);
  expect(performance.now() - start).toBeGreaterThanOrEqual(LIFE - 1);
  expect(life.ended.reason).toEqual(new Error('the server is silent'));
});

it('ends when it is refused', async () => {
  const life = new LockLife(LIFE, performance.now(), silent);
  const refusal = new LeadershipLostError('it is another one’s');
  life.renew(() => Promise.reject(refusal));
  await waitFor(() => life.ended.aborted);
  expect(life.ended.reason).toBe(refusal);
});

it('is over by the clock before any timer has had its turn', () => {
  const life = new LockLife(LIFE, performance.now(), silent);
  const until = performance.now() + LIFE + 5;
  while (performance.now() < until);
  expect(life.ended.aborted).toBe(false);
  expect(life.isOver).toBe(true);
  expect(life.ended.reason).toBeInstanceOf(LeadershipLostError);
});
