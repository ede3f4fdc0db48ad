import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { expectNone } from './support/expect-none';
import { FenceProgram } from './support/fence-program';
import { messageOf } from '../../lib/errors/cacheflow.error';
import type { Fence } from './support/markdown';
import { READMES, ROOT, pagesUnder, readPage } from './support/pages';

/** Others would be passed over without a word, `typescript` for one. */
const LANGUAGES = ['', 'text', 'ts', 'js', 'json', 'sh', 'sql', 'ini', 'yaml', 'html', 'http', 'mermaid'];
const PAGES = [...READMES, ...pagesUnder('docs')];
/** Would pass if the library, Nest or the scope were not found, because everything of them would be `any` then. */
const MISTAKEN = 'mistakes';
const MISTAKES: Fence = {
  language: 'ts',
  code: 'cacheflow.nothing();\napp.nothing();\nredisClient.nothing();\nOnBinlog(5);\nGet(() => 5);',
  line: 1,
};
const COMPILE_TIMEOUT_MILLIS = 120_000;

describe('examples', () => {
  let program: FenceProgram;

  beforeAll(() => {
    const pages = PAGES.map((page) => [page, readPage(page).fences] as const);
    program = new FenceProgram(new Map([...pages, [MISTAKEN, [MISTAKES]]]));
  }, COMPILE_TIMEOUT_MILLIS);

  it.each(PAGES)('in TypeScript compile: %s', { timeout: COMPILE_TIMEOUT_MILLIS }, (page) => {
    expectNone(program.problemsOf(page));
  });

  it('in TypeScript are compared with the real types', { timeout: COMPILE_TIMEOUT_MILLIS }, () => {
    const places = program.problemsOf(MISTAKEN).map((problem) => problem.split(': ')[0]);
    expect(places).toEqual([1, 2, 3, 4, 5].map((line) => `${MISTAKEN}:${line}`));
  });

  it.each(PAGES)('in JSON parse: %s', (page) => {
    const problems = fencesOf(page, 'json').flatMap(({ code, line }) => {
      try {
        JSON.parse(code);
        return [];
      } catch (error) {
        return `${page}:${line}: ${messageOf(error)}`;
      }
    });
    expectNone(problems);
  });

  it.each(PAGES)('of commands name npm scripts that exist: %s', (page) => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    const problems = fencesOf(page, 'sh').flatMap(({ code, line }) =>
      [...code.matchAll(/\bnpm run ([\w:-]+)/g)]
        .filter(([, name = '']) => !Object.hasOwn(scripts, name))
        .map(([command]) => `${page}:${line}: there is no \`${command}\``),
    );
    expectNone(problems);
  });

  it.each(PAGES)('are in a language that is looked at or left alone on purpose: %s', (page) => {
    const problems = readPage(page)
      .fences.filter(({ language }) => !LANGUAGES.includes(language))
      .map(({ language, line }) => `${page}:${line - 1}: ${language} is none of ${LANGUAGES.join(' ')}`);
    expectNone(problems);
  });
});

function fencesOf(page: string, language: string): Fence[] {
  return readPage(page).fences.filter((fence) => fence.language === language);
}
