import { dirname, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { expectNone } from './support/expect-none';
import { codeShape } from './support/code-shape';
import type { Fence } from './support/markdown';
import { READMES, englishPages, pagesUnder, readPage, twinOf } from './support/pages';

const [README] = READMES;
const ENGLISH = [README, ...englishPages()];
const CHINESE = pagesUnder('docs/zh-CN');

describe('English and Chinese', () => {
  it('have the same pages', () => {
    const expected = englishPages().map(twinOf);
    expectNone([
      ...expected.filter((page) => !CHINESE.includes(page)).map((page) => `${page} is missing`),
      ...CHINESE.filter((page) => !expected.includes(page)).map((page) => `${page} has no English twin`),
    ]);
  });

  it.each(ENGLISH)('link to each other: %s', (page) => {
    const problems = [page, twinOf(page)].flatMap((each) => {
      const target = relative(dirname(each), twinOf(each));
      const isLinked = readPage(each).links.some((link) => link.target === target);
      return isLinked ? [] : `${each} has no link to ${target}`;
    });
    expectNone(problems);
  });

  it.each(ENGLISH)('have headings of the same depths: %s', (page) => {
    const [english, chinese] = [page, twinOf(page)].map((each) =>
      readPage(each).headings.map(({ depth }) => '#'.repeat(depth)),
    );
    expect(chinese).toEqual(english);
  });

  it.each(ENGLISH)('have the same examples: %s', (page) => {
    const twin = twinOf(page);
    const [english, chinese] = [readPage(page).fences, readPage(twin).fences];
    const languages = (fences: readonly Fence[]): string[] => fences.map(({ language }) => language);
    expect(languages(chinese), `languages of the fences of ${twin}`).toEqual(languages(english));
    for (const [index, fence] of english.entries()) {
      const other = chinese[index] as Fence;
      const places = `${page}:${fence.line} and ${twin}:${other.line}`;
      expect(codeShape(other), places).toEqual(codeShape(fence));
    }
  });
});
