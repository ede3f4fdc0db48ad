import { expect, it } from 'vitest';
import { resolveConfig } from '../../lib/config/cacheflow.config';
import { expectNone } from './support/expect-none';
import { codeSpansOf } from './support/markdown';
import { LANGUAGES, readPage } from './support/pages';

/** Has no default, and is not empty. */
const REQUIRED = 'mysql.user';
/** Only what has no default, and `audit`, which is off without it. */
const RESOLVED: unknown = resolveConfig({
  mysql: { user: 'cacheflow' },
  redis: {},
  tables: [{ db: 'user', table: 'users' }],
  audit: {},
});

/** Columns of the tables of options. */
const [OPTION, DEFAULT] = [0, 2];

it.each(LANGUAGES)('the defaults in %s are those of the library', (language) => {
  const page = `${language}/reference/options.md`;
  const defaults = readPage(page).rows.flatMap((row) => {
    const [option = ''] = codeSpansOf(row[OPTION] ?? '');
    const value = valueAt(RESOLVED, option);
    return option !== REQUIRED && isPlain(value)
      ? [[option, row[DEFAULT], `\`${textOf(value)}\``] as const]
      : [];
  });
  const wrong = defaults.filter(([, documented, actual]) => documented !== actual);
  expect(defaults.length).toBeGreaterThan(0);
  expectNone(
    wrong.map(([option, documented, actual]) => `${page}: ${option} is ${actual}, not ${documented}`),
  );
});

function valueAt(from: unknown, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], from);
}

/** Of `mysql` and the like there is no one default. */
function isPlain(value: unknown): boolean {
  return ['number', 'boolean', 'string'].includes(typeof value) || Array.isArray(value);
}

function textOf(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(textOf).join(', ')}]`;
  return typeof value === 'string' ? `'${value}'` : String(value);
}
