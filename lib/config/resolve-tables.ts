import type { TableAuditOptions, TableOptions } from '../options/cacheflow.options';
import { CacheStrategy } from '../options/cacheflow.options';
import { isTag } from '../keys/tag';
import { stalePatterns } from '../keys/row-keys';
import { KeyTemplate } from '../keys/key-template';
import type { KeySource, TableRule } from '../keys/table-rules';
import type { OptionCheck } from './option-check';
import { isObject } from './option-check';

const TABLE_NAMES: Record<keyof TableOptions, true> = {
  db: true,
  table: true,
  strategy: true,
  key: true,
  keyFields: true,
  prefix: true,
  invalidates: true,
  match: true,
  ttlSeconds: true,
  audit: true,
};

const AUDIT_NAMES: Record<keyof TableAuditOptions, true> = { compare: true };

/** The watched tables; entries that cannot be used are left out, with a fault. */
export function resolveTables(check: OptionCheck, given: unknown): TableRule[] {
  if (!Array.isArray(given) || given.length === 0) {
    check.fault('tables', 'no table is watched', "List at least one, e.g. [{ db: 'user', table: 'users' }]");
    return [];
  }
  const rules = given.flatMap((entry: unknown, index) => resolveTable(check, entry, index) ?? []);
  // Of rules with another fault no pattern can be made.
  if (check.faults.length === 0) for (const rule of rules) checkNamespace(check, rule);
  for (const [at, rule] of rules.entries()) {
    const twin = rules.slice(0, at).find((each) => each.db === rule.db && each.table === rule.table);
    if (twin) {
      check.fault(
        `tables[${rule.index}]`,
        `${rule.db}.${rule.table} is listed twice, also as tables[${twin.index}]`,
        'Keep one entry; for several keys give it a list of templates',
      );
    }
  }
  return rules;
}

function checkNamespace(check: OptionCheck, rule: TableRule): void {
  const patterns = stalePatterns(rule, { schema: rule.db, table: rule.table });
  const taken = patterns.some((pattern) => pattern.startsWith('cf:') && !isTag(pattern));
  if (!taken) return;
  check.fault(
    `tables[${rule.index}]`,
    'its keys begin with `cf:`, where the versions of keys are kept',
    'Let the keys begin with something else',
  );
}

function resolveTable(check: OptionCheck, given: unknown, index: number): TableRule | undefined {
  const path = `tables[${index}]`;
  if (!isObject(given)) {
    check.fault(path, 'it is no object', "Write e.g. { db: 'user', table: 'users' }");
    return undefined;
  }
  const entry = given as unknown as TableOptions;
  check.names(path, given, TABLE_NAMES);
  const named = [check.text(`${path}.db`, entry.db), check.text(`${path}.table`, entry.table)].every(Boolean);
  const strategy = entry.strategy ?? CacheStrategy.CacheAside;
  if (typeof strategy !== 'function' && !Object.values(CacheStrategy).includes(strategy)) {
    check.fault(
      `${path}.strategy`,
      'it is no strategy',
      "Use 'cache-aside', 'write-through' or the class of an injectable that implements TableStrategy",
    );
  }
  if (entry.ttlSeconds !== undefined) check.positiveInteger(`${path}.ttlSeconds`, entry.ttlSeconds);
  if (entry.prefix !== undefined && typeof entry.prefix !== 'string') {
    check.fault(`${path}.prefix`, 'it is no string', 'Use a string or leave it out');
  }
  if (entry.ttlSeconds !== undefined && strategy === CacheStrategy.CacheAside) {
    check.fault(
      `${path}.ttlSeconds`,
      'cache-aside writes no values, so that it would do nothing',
      "Leave it out, or set strategy: 'write-through'",
    );
  }
  const key = resolveKey(check, path, entry);
  const match = resolveMatch(check, path, entry);
  const compare = resolveCompare(check, `${path}.audit`, entry.audit);
  if (!named || !key) return undefined;
  return {
    index,
    db: entry.db,
    table: entry.table,
    strategy,
    key,
    prefix: entry.prefix ?? '',
    invalidates: entry.invalidates,
    match,
    ttlSeconds: entry.ttlSeconds,
    compare,
  };
}

/** The patterns of what functions make. */
function resolveMatch(check: OptionCheck, path: string, entry: TableOptions): readonly string[] {
  const match: unknown[] = entry.match === undefined ? [] : [entry.match].flat();
  const functions = [
    ...(typeof entry.key === 'function' ? ['a key function'] : []),
    ...(entry.invalidates === undefined ? [] : ['`invalidates`']),
  ];
  if (entry.invalidates !== undefined && typeof entry.invalidates !== 'function') {
    check.fault(
      `${path}.invalidates`,
      'it is no function',
      "Write e.g. (change) => ['user:' + change.after.id]",
    );
  }
  if (functions.length === 0) {
    if (match.length === 0) return [];
    check.fault(
      `${path}.match`,
      'only functions that make keys need it',
      'Leave it out: patterns are derived from templates',
    );
  } else if (match.length === 0 || match.some((pattern) => typeof pattern !== 'string' || pattern === '')) {
    check.fault(
      `${path}.match`,
      `${functions.join(' and ')} cannot be turned around, so that the pattern of the keys has to be named`,
      "Set `match` to the Redis pattern(s) that all of these keys match, e.g. 'profile:*' or tag('org', '*')",
    );
  }
  return match as string[];
}

function resolveCompare(
  check: OptionCheck,
  path: string,
  given: unknown,
): TableAuditOptions['compare'] | undefined {
  if (given === undefined) return undefined;
  if (!isObject(given)) {
    check.fault(path, 'it is no object', 'Write e.g. { compare: (cached, row) => … } or leave it out');
    return undefined;
  }
  check.names(path, given, AUDIT_NAMES);
  const { compare } = given;
  if (compare === undefined || typeof compare === 'function')
    return compare as TableAuditOptions['compare'] | undefined;
  check.fault(`${path}.compare`, 'it is no function', 'Write a function of the cached value and the row');
  return undefined;
}

function resolveKey(check: OptionCheck, path: string, entry: TableOptions): KeySource | undefined {
  const { key, keyFields } = entry;
  if (key !== undefined && keyFields !== undefined) {
    check.fault(path, '`key` and `keyFields` exclude each other', 'Keep one of them');
  }
  if (typeof key === 'function') return { kind: 'function', make: key };
  if (key !== undefined) return resolveTemplates(check, `${path}.key`, key);
  const named =
    Array.isArray(keyFields) && keyFields.length > 0 && keyFields.every((field) => typeof field === 'string');
  if (keyFields !== undefined && !named) {
    check.fault(`${path}.keyFields`, 'it is no list of columns', "Write e.g. ['tenant_id', 'id']");
  }
  return { kind: 'default', fields: named ? keyFields : undefined };
}

function resolveTemplates(check: OptionCheck, path: string, key: string | string[]): KeySource | undefined {
  const sources: unknown[] = [key].flat();
  const templates: KeyTemplate[] = [];
  if (sources.length === 0) check.fault(path, 'the list is empty', "Write e.g. ['profile:{user_id}']");
  for (const source of sources) {
    try {
      if (typeof source !== 'string') throw new SyntaxError('it is neither a template nor a function');
      templates.push(KeyTemplate.parse(source));
    } catch (error) {
      check.fault(path, (error as SyntaxError).message, "Name columns in braces, e.g. 'profile:{user_id}'");
    }
  }
  return templates.length > 0 ? { kind: 'templates', templates } : undefined;
}
