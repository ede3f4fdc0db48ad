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
