/** A name with wildcards, as the options have it: `*` stands for any run of characters, everything else for itself. */
export function toRegExp(pattern: string): RegExp {
  const literal = pattern.split('*').map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  return new RegExp(`^${literal.join('.*')}$`, 's');
}

/** A pattern of Redis (SCAN MATCH: `*`, `?`, `[…]`, `\`) as a regular expression. */
export function globToRegExp(pattern: string): RegExp {
  let source = '';
  for (const token of pattern.match(/\\.|\[(?:\\.|[^\]])*\]|[^]/g) ?? []) {
    if (token === '*') source += '[^]*';
    else if (token === '?') source += '[^]';
    else if (token.length > 1 && token.startsWith('['))
      source += token.replace(/^\[\^/, '[^').replace(/^\[(?!\^)/, '[');
    else source += (token.length > 1 ? token.slice(1) : token).replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  }
  return new RegExp(`^${source}$`);
}

/** Escapes what has a meaning in the patterns of SCAN MATCH. */
export function escapePattern(literal: string): string {
  return literal.replace(/[\\*?[\]]/g, '\\$&');
}

/** As `escapePattern` for the name of a table or database in the options, where `*` keeps its meaning. */
export function escapeName(name: string): string {
  return name.split('*').map(escapePattern).join('*');
}
