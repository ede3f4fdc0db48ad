const TWO_DIGITS = Array.from({ length: 100 }, (_, i) => i.toString().padStart(2, '0'));

/** At least two digits. */
export function pad2(value: number): string {
  return TWO_DIGITS[value] ?? value.toString();
}

/** A year. */
export function pad4(value: number): string {
  return value >= 1000 ? value.toString() : value.toString().padStart(4, '0');
}

/** The point and this many digits of a second's fraction; nothing for no digits. */
export function fractionText(micros: number, digits: number): string {
  return digits === 0 ? '' : `.${micros.toString().padStart(6, '0').slice(0, digits)}`;
}

/** A TIME. */
export function timeText(
  negative: boolean,
  hour: number,
  minute: number,
  second: number,
  micros: number,
  digits: number,
): string {
  const text = `${pad2(hour)}:${pad2(minute)}:${pad2(second)}${fractionText(micros, digits)}`;
  return negative ? `-${text}` : text;
}
