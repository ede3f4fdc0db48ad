import type { Heading } from './markdown';

/** The anchors that GitHub gives to the headings of a page. */
export function slugsOf(headings: readonly Heading[]): Set<string> {
  const slugs = new Set<string>();
  for (const { text } of headings) {
    const slug = slugOf(text);
    let unique = slug;
    for (let count = 1; slugs.has(unique); count++) unique = `${slug}-${count}`;
    slugs.add(unique);
  }
  return slugs;
}

/** Letters of any script, digits, hyphens and underscores stay; blanks become hyphens, the rest goes. */
function slugOf(heading: string): string {
  return heading
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, '')
    .replaceAll(' ', '-');
}
