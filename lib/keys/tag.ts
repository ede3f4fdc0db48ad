import { keyText } from './key-text';

/** What `tag()` makes. You can use it in place of a key in `invalidates`, `match`, and `invalidate()`. */
export type CacheTag = string & { readonly __cacheTag: never };

const PREFIX = 'cf:tag:';

/**
 * Makes a tag, such as `tag('org', 7)`. Cached values can depend on it, regardless of their keys. Invalidating the tag
 * invalidates all values that name it in `dependsOn` in one step. The tag's key in Redis holds a generation, which the
 * invalidation removes. The library does not serve a value of another generation.
 *
 * @param values distinguish the tag from others of the name, in the form of column values; `'*'` in `match` covers all
 * @throws TypeError if the name is empty or not a string
 */
export function tag(name: string, ...values: readonly unknown[]): CacheTag {
  if (typeof name !== 'string' || name === '') throw new TypeError('A tag needs a name, e.g. tag("org", 7)');
  return [PREFIX + name, ...values.map((value) => String(keyText(value)))].join(':') as CacheTag;
}

export function isTag(key: string): key is CacheTag {
  return key.startsWith(PREFIX);
}
