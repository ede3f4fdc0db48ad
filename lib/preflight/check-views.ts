import type { ControlConnection } from '../mysql/control-connection';
import { quoteTable } from '../mysql/sql-text';
import type { ConfigurationFault } from '../errors/configuration.error';
import type { TableName } from '../change/table-name';
import type { TableRule } from '../keys/table-rules';
import { currentUser } from '../mysql/grants';
import { nameOf } from '../change/table-name';
import { nameList } from './name-list';
import type { PreflightResult } from './preflight-result';
import { sourcesOf } from './view-definition';

const KIND =
  'SELECT TABLE_TYPE AS type, ENGINE AS engine FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?';
const DEFINITION =
  'SELECT VIEW_DEFINITION AS definition FROM INFORMATION_SCHEMA.VIEWS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?';

/**
 * Whether an exact rule names a table, or nothing that exists. What else can be selected from has no changes in the
 * binlog; under a wildcard it is passed over.
 */
export async function namesTable(
  control: ControlConnection,
  rule: TableRule,
  { faults }: PreflightResult,
): Promise<boolean> {
  const [found] = await control.query(KIND, [rule.db, rule.table]);
  const subject = `tables[${rule.index}] (${rule.db}.${rule.table})`;
  if (found?.['type'] === 'VIEW') {
    faults.push(await viewFault(control, subject, { schema: rule.db, table: rule.table }));
    return false;
  }
  if (found?.['type'] === 'SEQUENCE') {
    const problem = 'it is a SEQUENCE, which has no rows that could be cached';
    faults.push({ subject, problem, fix: 'Remove the entry' });
    return false;
  }
  if (found?.['type'] === 'SYSTEM VIEW' || found?.['engine'] === 'PERFORMANCE_SCHEMA') {
    const problem = "it shows the server's own state, whose changes are not in the binlog";
    faults.push({ subject, problem, fix: 'Remove the entry' });
    return false;
  }
  return true;
}

async function viewFault(
  control: ControlConnection,
  subject: string,
  view: TableName,
): Promise<ConfigurationFault> {
  const { tables, closed } = await readSources(control, view);
  const entries = tables.map(({ schema, table }) => `{ db: '${schema}', table: '${table}' }`);
  const fixes = entries.length > 0 ? [`Watch the tables that it reads from: ${nameList(entries)}`] : [];
  if (closed.length > 0) {
    const user = await currentUser(control);
    const grants = closed.map((each) => `GRANT SHOW VIEW ON ${quoteTable(each)} TO ${user}`);
    fixes.push(
      `${fixes.length > 0 ? 'More' : 'Watch the tables that it reads from: they'} cannot be told, because the user may ` +
        `not see the definition of ${nameList(closed.map(nameOf))}. ${grants.join('; ')}`,
    );
  }
  return {
    subject,
    problem: 'it is a view, and changes are in the binlog under the names of the tables that it reads from',
    fix: fixes.join('. ') || 'Remove the entry: it reads from no table',
  };
}

interface Sources {
  readonly tables: TableName[];
  /** Views whose definition the user may not see: without SHOW VIEW it is empty. */
  readonly closed: TableName[];
}

/** What a view reads from, through all views below it. */
async function readSources(control: ControlConnection, view: TableName): Promise<Sources> {
  const tables: TableName[] = [];
  const closed: TableName[] = [];
  const seen = new Map([[quoteTable(view), view]]);
  // Those that are found are added as it goes on.
  for (const each of seen.values()) {
    const [found] = await control.query(DEFINITION, [each.schema, each.table]);
    if (!found) tables.push(each);
    else if (!found['definition']) closed.push(each);
    else for (const source of sourcesOf(String(found['definition']))) seen.set(quoteTable(source), source);
  }
  return { tables, closed };
}
