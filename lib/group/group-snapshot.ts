import type { GroupRecord } from '../redis/scripts/group';
import type { GroupMember, LeaderReport } from './group-status';

/** What a process publishes of itself once a second. */
export interface MemberReport extends GroupMember {
  /** Digest of its options, see OptionPrint. */
  readonly digest: string;
  /** The number of the latest redefinition that it has heard of. */
  readonly definitions: number;
  /** When it last told so, in milliseconds since 1970, by Redis' clock. */
  readonly atMillis: number;
}

/** A group as Redis knew it at one moment. */
export interface GroupSnapshot {
  /** When it was asked for, by `performance.now()`. */
  readonly takenAt: number;
  /** When it was taken, by Redis' clock. */
  readonly nowMillis: number;
  readonly groupId: string;
  readonly term: number;
  readonly leader: string | undefined;
  readonly paused: boolean;
  readonly definitions: number;
  /** Of the leader's options. */
  readonly digest: string | undefined;
  readonly report: LeaderReport | undefined;
  readonly members: readonly MemberReport[];
}

export function toSnapshot({ nowMillis, fields, members }: GroupRecord, takenAt: number): GroupSnapshot {
  const { id = '', term, leader, paused, definitions, digest, state, stateAt } = fields;
  const age = Math.max(0, nowMillis - Number(stateAt ?? nowMillis));
  return {
    takenAt,
    nowMillis,
    groupId: id,
    term: Number(term ?? 0),
    leader,
    paused: paused === '1',
    definitions: Number(definitions ?? 0),
    digest,
    report: toReport(state, age),
    members: [...members]
      .flatMap(([memberId, { about, atMillis }]) => toMember(memberId, about, atMillis))
      .sort((a, b) => (a.id < b.id ? -1 : 1)),
  };
}

/** Another version of this library may have written something else: then there is nothing to tell. */
function toReport(state: string | undefined, ageMillis: number): LeaderReport | undefined {
  if (!state) return undefined;
  try {
    return { ...(JSON.parse(state) as Omit<LeaderReport, 'ageMillis'>), ageMillis };
  } catch {
    return undefined;
  }
}

function toMember(id: string, about: string, atMillis: number): MemberReport[] {
  try {
    return [{ ...(JSON.parse(about) as Omit<MemberReport, 'id' | 'atMillis'>), id, atMillis }];
  } catch {
    return [];
  }
}
