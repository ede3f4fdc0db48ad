import { expect, it } from 'vitest';
import { globToRegExp } from '../../../lib/keys/patterns';

it.each([
  ['user:*:orders', ['user:7:orders', 'user::orders', 'user:a\nb:orders'], ['user:7', 'xuser:7:orders']],
  ['a?c', ['abc', 'a.c'], ['ac', 'abbc']],
  ['a[b-d]e', ['abe', 'ade'], ['aee', 'a[b-d]e']],
  ['a[^b]', ['ac'], ['ab']],
  ['a\\*b', ['a*b'], ['axb']],
  ['(a+b).{c}|$^', ['(a+b).{c}|$^'], ['aab']],
])('takes the pattern %s as Redis does', (pattern, matching, others) => {
  const regExp = globToRegExp(pattern);
  expect(matching.filter((key) => !regExp.test(key))).toEqual([]);
  expect(others.filter((key) => regExp.test(key))).toEqual([]);
});
