import { describe, expect, it } from 'vitest';
import { READMES, readPage } from './support/pages';

const MAX_BYTES = 10 * 1024;

/** What a README has to show, by what an example of it cannot do without. */
const EXAMPLES = {
  'cache-aside': /CacheflowModule\.forRoot\(/,
  reading: /@Cached\(|\.getOrLoad\(/,
  'write-through': /'write-through'|CacheStrategy\.WriteThrough/,
  events: /@OnBinlog\b|\.events\$/,
};

describe.each(READMES)('%s', (page) => {
  it(`has less than ${MAX_BYTES} bytes`, () => {
    expect(Buffer.byteLength(readPage(page).text)).toBeLessThan(MAX_BYTES);
  });

  it.each(Object.entries(EXAMPLES))('has an example of %s', (_name, pattern) => {
    const examples = readPage(page).fences.filter(({ language }) => language === 'ts');
    expect(examples.map(({ code }) => code).join('\n')).toMatch(pattern);
  });
});
