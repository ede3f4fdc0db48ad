/** A figure, and what it has to be. */
export interface Requirement {
  readonly what: string;
  readonly measured: string;
  readonly bound: string;
  readonly held: boolean;
}

/** One that is printed and has no bound. */
export interface Figure {
  readonly what: string;
  readonly measured: string;
}

export type Finding = Requirement | Figure;

interface Measured {
  readonly value: number;
  readonly bound: number;
  readonly unit: string;
  /** What else there is to know. */
  readonly note?: string;
}

export function atMost(what: string, { value, bound, unit, note }: Measured): Requirement {
  return {
    what,
    measured: shown(value, unit, note),
    bound: `at most ${bound}${unit}`,
    held: value <= bound,
  };
}

export function atLeast(what: string, { value, bound, unit, note }: Measured): Requirement {
  return {
    what,
    measured: shown(value, unit, note),
    bound: `at least ${bound}${unit}`,
    held: value >= bound,
  };
}

export function isRequirement(finding: Finding): finding is Requirement {
  return 'held' in finding;
}

function shown(value: number, unit: string, note: string | undefined): string {
  const digits = value < 100 ? 2 : 0;
  return `${value.toFixed(digits)}${unit}${note === undefined ? '' : ` (${note})`}`;
}
