import { createHash } from 'node:crypto';

/**
 * Which member each partition belongs to: the one that scores highest for it (rendezvous hashing), while nobody takes
 * more than his even share. All members that know the same list come to the same result, and few partitions move when
 * somebody comes or goes.
 */
export function assign(partitions: number, members: readonly string[]): readonly (string | undefined)[] {
  const share = Math.ceil(partitions / Math.max(1, members.length));
  const taken = new Map<string, number>();
  return Array.from({ length: partitions }, (_, partition) => {
    const free = members.filter((member) => (taken.get(member) ?? 0) < share);
    const scored = free.map((member) => ({ member, score: scoreOf(partition, member) }));
    const [first] = scored.sort((a, b) => b.score - a.score || (a.member < b.member ? -1 : 1));
    if (first) taken.set(first.member, (taken.get(first.member) ?? 0) + 1);
    return first?.member;
  });
}

function scoreOf(partition: number, member: string): number {
  return createHash('sha256').update(`${partition}\0${member}`).digest().readUInt32BE();
}
