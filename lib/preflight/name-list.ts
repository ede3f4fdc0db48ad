const MAX_NAMES = 10;

/** Names for a message. A database may hold thousands. */
export function nameList(names: readonly string[]): string {
  const rest = names.length - MAX_NAMES;
  return names.slice(0, MAX_NAMES).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}
