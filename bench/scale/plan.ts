import type { Cost } from './measure';

export interface PlanFor {
  /** Changes a second. */
  readonly target: number;
  /** How much of each core stays free, between 0 and 1. */
  readonly headroom: number;
  /** Of a core for an hour, in dollars. */
  readonly price: number;
}

/** What changes at the target rate take, when each costs what was measured. */
export interface Plan {
  /** Each the leader of a group with a source of its own. */
  readonly leaders: number;
  readonly redisMasters: number;
  /** What sending the binlog and answering questions takes on all sources together. */
  readonly sourceCores: number;
  readonly binlogMegabytes: number;
  /** For the cores of the leaders and of Redis. The sources are there in any case. */
  readonly dollarsPerHour: number;
  /** What a leader runs out of first: it and a Redis have one thread each. */
  readonly saturatesFirst: 'leader' | 'Redis';
}

/** What a leader carries that has a core of its own: its work is done by one thread. */
export function perCore({ leader }: Cost): number {
  return 1e6 / leader;
}

export function planFor(cost: Cost, { target, headroom, price }: PlanFor): Plan {
  const usable = 1 - headroom;
  const cores = (micros: number): number => (target * micros) / 1e6 / usable;
  const leaders = Math.ceil(cores(cost.leader));
  const redisMasters = Math.ceil(cores(cost.redis));
  return {
    leaders,
    redisMasters,
    sourceCores: cores(cost.source),
    binlogMegabytes: (target * cost.bytes) / 1e6,
    dollarsPerHour: (leaders + redisMasters) * price,
    saturatesFirst: cost.leader >= cost.redis ? 'leader' : 'Redis',
  };
}
