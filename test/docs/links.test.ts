import { existsSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { it } from 'vitest';
import { expectNone } from './support/expect-none';
import type { Link } from './support/markdown';
import { READMES, ROOT, pagesUnder, readPage } from './support/pages';
import { slugsOf } from './support/slugs';

const PAGES = [...READMES, 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', ...pagesUnder('docs')];
/** `https:`, `mailto:` and the like. */
const ELSEWHERE = /^[a-z][a-z+.-]*:/i;

it.each(PAGES)('links lead to pages and headings that exist: %s', (page) => {
  const problems = readPage(page).links.flatMap((link) => {
    const problem = problemOf(page, link);
    return problem === undefined ? [] : `${page}:${link.line}: (${link.target}) ${problem}`;
  });
  expectNone(problems);
});

function problemOf(page: string, { target }: Link): string | undefined {
  if (ELSEWHERE.test(target)) return undefined;
  const [path = '', anchor] = target.split('#');
  if (path.startsWith('/')) return 'has to be relative';
  const found = path === '' ? join(ROOT, page) : resolve(ROOT, dirname(page), decodeURIComponent(path));
  const name = relative(ROOT, found);
  if (name.startsWith('..')) return 'leads out of the repository';
  if (!existsSync(found)) return `leads to ${name}, which does not exist`;
  if (anchor === undefined) return undefined;
  if (!name.endsWith('.md')) return 'has an anchor, which only pages have';
  const slugs = slugsOf(readPage(name).headings);
  return slugs.has(decodeURIComponent(anchor)) ? undefined : `${name} has no heading #${anchor}`;
}
