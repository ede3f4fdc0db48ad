import { beforeAll, describe, it } from 'vitest';
import { expectNone } from './support/expect-none';
import { documentedIn, sectionsOf } from './support/documented';
import { LibraryTypes } from './support/library-types';
import { LANGUAGES, readPage } from './support/pages';

const COMPILE_TIMEOUT_MILLIS = 120_000;
const ERROR_DEPTH = 3;
const IS_CODE = /^CACHEFLOW_/;

let types: LibraryTypes;

beforeAll(() => {
  types = new LibraryTypes();
}, COMPILE_TIMEOUT_MILLIS);

describe.each(LANGUAGES)('the reference in %s', (language) => {
  it('has a row for every option, and for nothing else', () => {
    const page = `${language}/reference/options.md`;
    const options = ['CacheflowExtras', 'CacheflowOptions', 'ReadOptions'].flatMap((name) =>
      types.pathsOf(name),
    );
    const rows = documentedIn(page);
    expectNone([
      ...options.filter((path) => !rows.includes(path)).map((path) => `${page} has no row for ${path}`),
      ...rows.filter((row) => !options.includes(row)).map((row) => `${page}: there is no option ${row}`),
      ...rows.filter((row, index) => rows.indexOf(row) !== index).map((row) => `${page} has ${row} twice`),
    ]);
  });

  it('has a row for every field of status(), and for none that is gone', () => {
    const page = `${language}/reference/status.md`;
    const fields = types.pathsOf('CacheflowStatus');
    const rows = documentedIn(page);
    const known = [...fields, ...types.wordsOf('TailState')];
    expectNone([
      ...known.filter((path) => !rows.includes(path)).map((path) => `${page} has no row for ${path}`),
      ...rows.filter((row) => !known.includes(row)).map((row) => `${page}: there is no field ${row}`),
    ]);
  });

  it('has a section for every error code, with its class', () => {
    const page = `${language}/reference/errors.md`;
    const codes = types.wordsOf('CacheflowErrorCode');
    const sections = sectionsOf(readPage(page), ERROR_DEPTH);
    const headings = [...sections.keys()].filter((heading) => IS_CODE.test(heading));
    const nameless = [...types.errorClasses()].filter(
      ([code, name]) => !(sections.get(code) ?? '').includes(`\`${name}\``),
    );
    expectNone([
      ...codes.filter((code) => !headings.includes(code)).map((code) => `${page} has no section ${code}`),
      ...headings.filter((code) => !codes.includes(code)).map((code) => `${page}: there is no code ${code}`),
      ...nameless.map(([code, name]) => `${page}: the section ${code} does not name \`${name}\``),
    ]);
  });
});
