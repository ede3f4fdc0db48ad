import type { ControlConnection } from '../mysql/control-connection';
import { quoteTable, unquoteName } from '../mysql/sql-text';
import { messageOf } from '../errors/cacheflow.error';
import type { TableName } from '../change/table-name';
import type { TableRule } from '../keys/table-rules';
import { isExact } from '../keys/table-rules';
import { isDenied } from '../mysql/grants';
import { nameOf } from '../change/table-name';
import type { Inspection } from './inspection';
import { nameList } from './name-list';
import type { PreflightResult } from './preflight-result';
import { isAnswer } from './server-answers';

/**
 * A MERGE table shows the rows of its children, and each of them can be written to: what is changed by one name is
 * not in the binlog under the others.
 */
export async function checkMerge({ control, config, existing, result }: Inspection): Promise<void> {
  const { rules } = config;
  for (const merge of existing.filter(({ engine }) => /^mrg_myisam$/i.test(engine))) {
    const rule = rules.find(merge.schema, merge.table);
    let children: TableName[];
    try {
      children = await childrenOf(control, merge);
    } catch (error) {
      if (!isAnswer(error) && !isDenied(error)) throw error;
      result.warnings.push(
        `${nameOf(merge)} is a MERGE table whose children cannot be told (${messageOf(error)}): changes that are made ` +
          `through it do not remove the keys of its children`,
      );
      children = [];
    }
    if (rule) checkWatched(rule, merge, children, result);
    const watched = children.filter(({ schema, table }) => rules.find(schema, table));
    if (watched.length > 0) {
      result.warnings.push(
        `${nameOf(merge)} is a MERGE table of ${nameList(children.map(nameOf))}: what is changed through it is in the ` +
          `binlog under its own name, and the keys of ${nameList(watched.map(nameOf))} stay. Change the rows by the ` +
          `names of these tables`,
      );
    }
  }
}

function checkWatched(
  rule: TableRule,
  merge: TableName,
  children: readonly TableName[],
  { faults, warnings }: PreflightResult,
): void {
  const subject = `tables[${rule.index}] (${nameOf(merge)})`;
  const names = children.map(nameOf);
  const problem =
    'it is a MERGE table, and what is changed through its children is in the binlog under their names only' +
    (names.length > 0 ? `: ${nameList(names)}` : '');
  if (!isExact(rule)) {
    warnings.push(`${subject}: ${problem}. Its keys stay then`);
    return;
  }
  const entries = children.map(({ schema, table }) => `{ db: '${schema}', table: '${table}' }`);
  const fix =
    entries.length > 0 ? `Watch its children: ${nameList(entries)}` : 'Watch the tables of its UNION';
  faults.push({ subject, problem, fix: `${fix}, and change the rows by these names` });
}

const NAME = '`(?:[^`]|``)+`';
/** Texts and names are passed over whole: they may hold the word. */
const UNION = new RegExp(`'(?:[^'\\\\]|\\\\.|'')*'|\\bUNION=\\(((?:${NAME}[.,]?)*)\\)|${NAME}`, 'gs');
const CHILD = new RegExp(`(?:(${NAME})\\.)?(${NAME})`, 'gs');

async function childrenOf(control: ControlConnection, merge: TableName): Promise<TableName[]> {
  const [row] = await control.query(`SHOW CREATE TABLE ${quoteTable(merge)}`);
  const union = [...String(row?.['Create Table']).matchAll(UNION)].find(([, list]) => list !== undefined);
  return [...(union?.[1] ?? '').matchAll(CHILD)].map(([, schema, table = '']) => ({
    // Those of the same database stand without it.
    schema: schema === undefined ? merge.schema : unquoteName(schema),
    table: unquoteName(table),
  }));
}
