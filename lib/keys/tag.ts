import { keyText } from './key-text';

/** What `tag()` makes. It stands where a key does: in `invalidates`, `match` and `invalidate()`. */
export type CacheTag = string & { readonly __cacheTag: never };

const PREFIX = 'cf:tag:';

/**
 * Something that cached values depend on, whatever their keys are: `tag('org', 7)`. Values that name it in `dependsOn`
 * are gone as soon as it is invalidated, however many they are, in one step: its key in Redis holds a generation that
 * is removed then, and a value of another generation is not served.
 *
 * @param values what tells it from others of the name, as columns of a row have it; `'*'` in `match` for all of them
 */
export function tag(name: string, ...values: readonly unknown[]): CacheTag {
  if (typeof name !== 'string' || name === '') throw new TypeError('A tag needs a name, e.g. tag("org", 7)');
  return [PREFIX + name, ...values.map((value) => String(keyText(value)))].join(':') as CacheTag;
}

export function isTag(key: string): key is CacheTag {
  return key.startsWith(PREFIX);
}
