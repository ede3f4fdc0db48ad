import type { TableName, TableScope } from '../change/table-name';
import { isInScope, isSameButForCase } from '../change/table-name';
import { toRegExp } from './patterns';
import { stalePatterns } from './row-keys';
import type { TableRule, TableRules } from './table-rules';
import { isExact } from './table-rules';

/**
 * Redis patterns that all keys match which a flush has to remove; none for a table that nobody watches. Names in
 * statements may be written in another case than the server's (lower_case_table_names), and count for all of them.
 */
export function flushPatternsOf(rules: TableRules, target: TableScope | undefined): RulePattern[] {
  if (!target) return rules.all.flatMap((rule) => patternsOf(rule, { schema: rule.db, table: rule.table }));
  return target.table === undefined
    ? databasePatterns(rules, target.schema)
    : tablePatterns(rules, { schema: target.schema, table: target.table });
}

/** A pattern, and the rule whose keys match it. */
export interface RulePattern {
  readonly pattern: string;
  readonly rule: TableRule;
}

function patternsOf(rule: TableRule, name: TableName): RulePattern[] {
  return stalePatterns(rule, name).map((pattern) => ({ pattern, rule }));
}

function tablePatterns(rules: TableRules, name: TableName): RulePattern[] {
  const lower = { schema: name.schema.toLowerCase(), table: name.table.toLowerCase() };
  const named = rules.all
    .filter(isExact)
    .map((rule) => ({ schema: rule.db, table: rule.table }))
    .filter((each) => isInScope(each, name));
  return [name, lower, ...named].flatMap((each) => {
    const rule = rules.find(each.schema, each.table);
    return rule ? patternsOf(rule, each) : [];
  });
}

/** One pattern for each rule, whatever number of tables the database has. */
function databasePatterns(rules: TableRules, schema: string): RulePattern[] {
  return rules.all.flatMap((rule) => {
    if (!rule.db.includes('*')) {
      return isSameButForCase(rule.db, schema)
        ? patternsOf(rule, { schema: rule.db, table: rule.table })
        : [];
    }
    const names = [schema, schema.toLowerCase()].filter((name) => toRegExp(rule.db).test(name));
    return names.flatMap((name) => patternsOf(rule, { schema: name, table: rule.table }));
  });
}
