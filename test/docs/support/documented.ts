import { codeSpansOf } from './markdown';
import type { Markdown } from './markdown';
import { readPage } from './pages';

/** What the first cells of a page's tables name. */
export function documentedIn(page: string): string[] {
  return readPage(page).rows.flatMap(([first = '']) => codeSpansOf(first));
}

/** The text under each heading of a depth, by the heading. */
export function sectionsOf({ text, headings }: Markdown, depth: number): Map<string, string> {
  const lines = text.split('\n');
  const sections = new Map<string, string>();
  for (const [index, heading] of headings.entries()) {
    if (heading.depth !== depth) continue;
    const end = headings.slice(index + 1).find((next) => next.depth <= depth)?.line ?? lines.length + 1;
    sections.set(heading.text, lines.slice(heading.line, end - 1).join('\n'));
  }
  return sections;
}
