import { isSameButForCase } from '../change/table-name';
import type { TableRule } from '../keys/table-rules';
import { toRegExp } from '../keys/patterns';
import { BinlogFilter } from './binlog-filter';
import { SYSTEM_DATABASES } from '../mysql/existing-tables';
import type { Inspection } from './inspection';
import { nameList } from './name-list';

/** Whether binlog-do-db and binlog-ignore-db leave the watched databases in the binlog. Needs REPLICATION CLIENT. */
export async function checkFilters({
  control,
  server,
  config,
  settings,
  existing,
  result,
}: Inspection): Promise<void> {
  const { rules } = config;
  const { faults, warnings } = result;
  const anyCase = settings.get('lower_case_table_names') !== '0';
  // MariaDB compares with the name as it is stored, also where statements may write it in any case.
  const filter = BinlogFilter.of(await control.binlogFilters(), server.flavor === 'mysql' && anyCase);
  if (!filter) return;
  const rows = await control.query('SELECT SCHEMA_NAME AS s FROM INFORMATION_SCHEMA.SCHEMATA');
  const databases = rows.map((row) => String(row['s']));

  for (const rule of rules.all) {
    const subject = `tables[${rule.index}] (${rule.db}.${rule.table})`;
    const isPattern = rule.db.includes('*');
    for (const db of databasesOf(rule, databases, anyCase)) {
      if (!filter.hides(db)) continue;
      const problem = `${filter.saysOf(db)}, so that no change in it is in the binlog`;
      const otherwise = isPattern ? '; or name the databases to watch instead of a pattern' : '';
      const fix = `${filter.cureFor(db)} (my.cnf, [mysqld]), and restart the server${otherwise}`;
      const isSure =
        !isPattern ||
        rule.table === '*' ||
        existing.some(({ schema, table }) => schema === db && rules.find(schema, table) === rule);
      if (isSure) faults.push({ subject, problem, fix });
      else warnings.push(`${subject}: ${problem}. No table there matches yet. ${fix}`);
    }
    const unseen = unseenBy(filter, rule, databases);
    if (unseen) {
      warnings.push(
        `${subject}: ${filter.option} is ${filter.list}, so that the changes of ${unseen} are not in the binlog, should the pattern match it one day`,
      );
    }
  }
  warnings.push(statementsWarning(filter));
}

/** The databases that exist and that a rule watches; an exact one also where it does not exist. */
function databasesOf(rule: TableRule, databases: readonly string[], anyCase: boolean): readonly string[] {
  if (rule.db.includes('*')) {
    const pattern = toRegExp(rule.db);
    return databases.filter((db) => pattern.test(db) && !SYSTEM_DATABASES.includes(db));
  }
  const isSame = (db: string): boolean => isSameButForCase(db, rule.db);
  return [databases.includes(rule.db) || !anyCase ? rule.db : (databases.find(isSame) ?? rule.db)];
}

/** What a pattern may match beside the databases that can be seen now, and would be hidden. */
function unseenBy(filter: BinlogFilter, rule: TableRule, databases: readonly string[]): string | undefined {
  if (!rule.db.includes('*')) return undefined;
  if (filter.option === 'binlog-do-db') return 'any other database';
  const pattern = toRegExp(rule.db);
  const known = new Set([...databases, ...SYSTEM_DATABASES]);
  const unseen = filter.list.split(',').filter((db) => pattern.test(db) && !known.has(db));
  return unseen.length > 0 ? nameList(unseen) : undefined;
}

/** Rows are filtered by the database of their table; statements are not (MySQL `sql/binlog.cc`, write_event). */
function statementsWarning({ option, list }: BinlogFilter): string {
  const other = option === 'binlog-do-db' ? 'of a database that it leaves out' : `of ${list}`;
  const comma = list.includes(',')
    ? ` Each database needs a line of its own: ${option} = ${list} in one line names a single one.`
    : '';
  return (
    `${option} is ${list}: TRUNCATE, DROP, RENAME and ALTER are filtered by the default database of the session that ` +
    `runs them, and not by their table. After a USE ${other} they are not in the binlog, and the keys of the table ` +
    `stay. Run them in the database of the table, or start the server without ${option}.${comma}`
  );
}
