const TWO_DIGITS = Array.from({ length: 100 }, (_, i) => i.toString().padStart(2, '0'));

/** At least two digits. */
function pad2(value: number): string {
  return TWO_DIGITS[value] ?? value.toString();
}

/** A year. */
function pad4(value: number): string {
  return value >= 1000 ? value.toString() : value.toString().padStart(4, '0');
}

/** The point and this many digits of a second's fraction; nothing for no digits. */
export function fractionText(micros: number, digits: number): string {
  return digits === 0 ? '' : `.${micros.toString().padStart(6, '0').slice(0, digits)}`;
}

/** What a clock on the wall shows, and the calendar beside it. */
export interface WallTime {
  readonly year: number;
  /** From 1. */
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly micros: number;
}

/** `2024-02-29`. */
export function dateText({ year, month, day }: Pick<WallTime, 'year' | 'month' | 'day'>): string {
  return `${pad4(year)}-${pad2(month)}-${pad2(day)}`;
}

/** `2024-02-29 12:00:00`, without a fraction. */
export function datetimeText(wall: WallTime): string {
  return `${dateText(wall)} ${pad2(wall.hour)}:${pad2(wall.minute)}:${pad2(wall.second)}`;
}

/** A span of time, as TIME has it. */
export interface TimeSpan extends Pick<WallTime, 'hour' | 'minute' | 'second' | 'micros'> {
  readonly negative: boolean;
}

/** A TIME with this many digits of a fraction. */
export function timeText({ negative, hour, minute, second, micros }: TimeSpan, digits: number): string {
  const text = `${pad2(hour)}:${pad2(minute)}:${pad2(second)}${fractionText(micros, digits)}`;
  return negative ? `-${text}` : text;
}
