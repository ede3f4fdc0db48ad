import { describe, expect, it } from 'vitest';
import { OrderedCalls } from '../../../lib/events/ordered-calls';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Tasks that end when they are told to, and what started so far. */
class Tasks {
  readonly started: string[] = [];
  private readonly enders = new Map<string, () => void>();

  task(name: string): () => Promise<string> {
    return async () => {
      this.started.push(name);
      await new Promise<void>((resolve) => this.enders.set(name, resolve));
      return name;
    };
  }

  async end(name: string): Promise<void> {
    this.enders.get(name)?.();
    await turn();
  }
}

describe('OrderedCalls', () => {
  it('runs the tasks of a lane one after another, and lanes side by side', async () => {
    const lanes = new OrderedCalls(10, 10);
    const tasks = new Tasks();
    const results = ['a1', 'a2', 'b1', 'a3'].map((name) => lanes.run([name.charAt(0)], tasks.task(name)));
    await turn();
    expect(tasks.started).toEqual(['a1', 'b1']);
    await tasks.end('b1');
    expect(tasks.started).toEqual(['a1', 'b1']);
    await tasks.end('a1');
    await tasks.end('a2');
    expect(tasks.started).toEqual(['a1', 'b1', 'a2', 'a3']);
    await tasks.end('a3');
    expect(await Promise.all(results)).toEqual(['a1', 'a2', 'b1', 'a3']);
    expect(lanes.length).toBe(0);
    await lanes.idle();
  });

  it('keeps the order over tasks of several lanes', async () => {
    const lanes = new OrderedCalls(10, 10);
    const tasks = new Tasks();
    void lanes.run(['a'], tasks.task('a'));
    void lanes.run(['a', 'b'], tasks.task('a to b'));
    void lanes.run(['b'], tasks.task('b'));
    void lanes.run(['c'], tasks.task('c'));
    await turn();
    expect(tasks.started).toEqual(['a', 'c']);
    await tasks.end('a');
    expect(tasks.started).toEqual(['a', 'c', 'a to b']);
    await tasks.end('a to b');
    expect(tasks.started).toEqual(['a', 'c', 'a to b', 'b']);
  });

  it('runs no more than `concurrency` at a time, and tasks that wait for their lane take no place', async () => {
    const lanes = new OrderedCalls(100, 2);
    const tasks = new Tasks();
    for (const name of ['a1', 'a2', 'a3', 'b', 'c', 'd']) void lanes.run([name.charAt(0)], tasks.task(name));
    await turn();
    expect(tasks.started).toEqual(['a1', 'b']);
    await tasks.end('b');
    expect(tasks.started).toEqual(['a1', 'b', 'c']);
    await tasks.end('a1');
    expect(tasks.started).toHaveLength(4);
    for (const name of ['c', 'd', 'a2', 'a3']) await tasks.end(name);
    await lanes.idle();
    expect(tasks.started).toHaveLength(6);
  });

  it('has room for `size` tasks, waiting ones included', async () => {
    const lanes = new OrderedCalls(2, 1);
    const tasks = new Tasks();
    await lanes.room();
    void lanes.run(['a'], tasks.task('a'));
    await lanes.room();
    void lanes.run(['b'], tasks.task('b'));
    let entered = 0;
    const waiting = [lanes.room().then(() => entered++), lanes.room().then(() => entered++)];
    await turn();
    expect([entered, lanes.length]).toEqual([0, 2]);
    await tasks.end('a');
    expect(entered).toBe(1);
    await tasks.end('b');
    await Promise.all(waiting);
    expect(entered).toBe(2);
  });

  it('keeps order and bounds under load', async () => {
    const lanes = new OrderedCalls(50, 7);
    const order = new Map<string, number[]>();
    let running = 0;
    let most = 0;
    for (let number = 0; number < 2_000; number++) {
      await lanes.room();
      expect(lanes.length).toBeLessThan(50);
      const lane = String(number % 13);
      void lanes.run([lane], async () => {
        most = Math.max(most, ++running);
        for (let step = number % 3; step > 0; step--) await turn();
        order.set(lane, [...(order.get(lane) ?? []), number]);
        running--;
      });
    }
    await lanes.idle();
    expect(most).toBe(7);
    expect([...order.values()].flat()).toHaveLength(2_000);
    for (const numbers of order.values()) expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
  });
});
