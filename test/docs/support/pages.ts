import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Markdown } from './markdown';
import { parseMarkdown } from './markdown';

export const ROOT = join(__dirname, '../../..');

export const READMES = ['README.md', 'README.zh-CN.md'] as const;
/** The root of the pages of each language. */
export const LANGUAGES = ['docs', 'docs/zh-CN'] as const;

/** The pages under a folder, by their paths from the root of the repository. */
export function pagesUnder(folder: string): string[] {
  const path = join(ROOT, folder);
  if (!existsSync(path)) return [];
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `${folder}/${name}`)
    .sort();
}

/** The English pages of `docs/`, and their Chinese twins as they should be. */
export function englishPages(): string[] {
  return pagesUnder('docs').filter((page) => !page.startsWith('docs/zh-CN/'));
}

/** Where the other language of a page is. */
export function twinOf(page: string): string {
  const [english, chinese] = READMES;
  if (page === english) return chinese;
  if (page === chinese) return english;
  return page.startsWith('docs/zh-CN/')
    ? page.replace('docs/zh-CN/', 'docs/')
    : page.replace('docs/', 'docs/zh-CN/');
}

const parsed = new Map<string, Markdown>();

/** A page by its path from the root of the repository. */
export function readPage(page: string): Markdown {
  const known = parsed.get(page);
  if (known) return known;
  const path = join(ROOT, page);
  if (!existsSync(path)) throw new Error(`${page} does not exist`);
  const markdown = parseMarkdown(readFileSync(path, 'utf8'));
  parsed.set(page, markdown);
  return markdown;
}
