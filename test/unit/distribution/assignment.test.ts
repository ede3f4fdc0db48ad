import { describe, expect, it } from 'vitest';
import { assign } from '../../../lib/distribution/assignment';
import { Partitions } from '../../../lib/distribution/partitions';

const members = (count: number): string[] => Array.from({ length: count }, (_, index) => `process-${index}`);

function loads(partitions: number, of: readonly string[]): number[] {
  const owners = assign(partitions, of);
  return of.map((member) => owners.filter((owner) => owner === member).length);
}

describe('the assignment of partitions', () => {
  it.each([1, 2, 3, 4, 6, 12])('is even among %i processes', (count) => {
    expect(loads(12, members(count))).toEqual(members(count).map(() => 12 / count));
  });

  it('gives nobody more than an even share, and every partition to somebody', () => {
    for (let count = 1; count <= 20; count++) {
      const each = loads(8, members(count));
      expect(Math.max(...each)).toBeLessThanOrEqual(Math.ceil(8 / count));
      expect(each.reduce((sum, load) => sum + load)).toBe(8);
    }
    expect(assign(2, [])).toEqual([undefined, undefined]);
  });

  it('moves few partitions when a process goes', () => {
    const [three, two] = [assign(60, members(3)), assign(60, members(2))];
    const moved = three.filter((owner, index) => owner !== 'process-2' && owner !== two[index]);
    expect(moved.length).toBeLessThan(15);
  });
});

describe('a partition', () => {
  it('is the same for a row in every process and release', () => {
    const partitions = new Partitions('cacheflow.default', 12);
    const rows = ['shop.orders:1', 'shop.orders:2', 'shop.orders:3', 'crm.users:ü'];
    expect(rows.map((row) => partitions.of(row))).toMatchInlineSnapshot(`
      [
        11,
        3,
        7,
        4,
      ]
    `);
    expect(partitions.queue(3)).toBe('cacheflow.default.handlers.12.3');
  });

  it('holds about as many rows as any other', () => {
    const partitions = new Partitions('cacheflow.default', 12);
    const counts = Array.from({ length: 12 }, () => 0);
    for (let id = 0; id < 12_000; id++) counts[partitions.of(`shop.orders:${id}`)]!++;
    expect(Math.min(...counts)).toBeGreaterThan(850);
    expect(Math.max(...counts)).toBeLessThan(1_150);
  });
});
