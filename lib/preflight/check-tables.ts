import { sqlErrorCode } from '../mysql/control-connection';
import { quoteTable } from '../mysql/sql-text';
import type { TableDefinition } from '../mysql/table-definition';
import { isUnique, loadTableDefinition, shapeOf } from '../mysql/table-definition';
import { CacheStrategy } from '../options/cacheflow.options';
import { messageOf } from '../errors/cacheflow.error';
import { NoUsableKeyError, bindKeys, namedColumns } from '../keys/row-keys';
import { MAX_TABLES_CHECKED } from '../keys/table-shapes';
import type { TableRule } from '../keys/table-rules';
import { toRegExp } from '../keys/patterns';
import { isExact } from '../keys/table-rules';
import type { TableName } from '../change/table-name';
import { isInScope, nameOf } from '../change/table-name';
import { nearMisses } from '../support/near-misses';
import { namesTable } from './check-views';
import { currentUser, isDenied } from '../mysql/grants';
import type { ExistingTable } from '../mysql/existing-tables';
import type { Inspection } from './inspection';
import type { PreflightResult } from './preflight-result';
import { isAnswer } from './server-answers';

/** Column types that binlog_row_image=NOBLOB leaves out of an image when they did not change. */
const BLOB_TYPES = /blob|text|json|geometry|point|linestring|polygon|vector/;

/** Whether all watched tables that exist can be read and keyed. */
export async function checkTables(inspection: Inspection): Promise<void> {
  const { control, server, config, existing, result } = inspection;
  for (const table of existing) checkVersioning(config.rules.find(table.schema, table.table), table, result);
  for (const rule of config.rules.all) {
    if (isExact(rule)) {
      await checkNamedTable(inspection, rule);
      continue;
    }
    const [db, table] = [toRegExp(rule.db), toRegExp(rule.table)];
    const matching = existing.filter(
      (each) =>
        db.test(each.schema) && table.test(each.table) && config.rules.find(each.schema, each.table) === rule,
    );
    if (matching.length === 0) {
      result.warnings.push(
        `tables[${rule.index}] (${rule.db}.${rule.table}) matches no table that can be seen yet`,
      );
    }
    for (const each of matching.slice(0, MAX_TABLES_CHECKED)) {
      const definition = await loadTableDefinition(control, server.flavor, each.schema, each.table);
      if (definition) await checkKeys(inspection, rule, each, definition);
    }
  }
}

async function checkNamedTable(inspection: Inspection, rule: TableRule): Promise<void> {
  const { control, server, existing, result } = inspection;
  const name = { schema: rule.db, table: rule.table };
  if (!(await namesTable(control, rule, result))) return;
  try {
    await control.query(`SELECT 1 FROM ${quoteTable(name)} LIMIT 0`);
  } catch (error) {
    const code = sqlErrorCode(error);
    if (code === 'ER_NO_SUCH_TABLE' || code === 'ER_BAD_DB_ERROR') {
      const near = nearMisses(`${rule.db}.${rule.table}`, existing.map(nameOf));
      result.warnings.push(
        `tables[${rule.index}]: ${rule.db}.${rule.table} does not exist${near.length > 0 ? ` (there is ${near.join(', ')})` : ''}; ` +
          'it is watched from the moment it is created',
      );
      return;
    }
    if (isDenied(error)) {
      result.faults.push({
        subject: `tables[${rule.index}]`,
        problem: `the user may not read ${rule.db}.${rule.table}, or it does not exist`,
        fix: `GRANT SELECT ON ${quoteTable(name)} TO ${await currentUser(control)}`,
      });
      return;
    }
    if (!isAnswer(error)) throw error;
    // One damaged table, or one whose own server is away, must not hold up the others.
    result.warnings.push(
      `tables[${rule.index}] (${rule.db}.${rule.table}) cannot be read (${error.message})`,
    );
  }
  const real = existing.find((each) => isSame(each, name)) ?? existing.find((each) => isInScope(each, name));
  if (real && !isSame(real, name)) {
    result.faults.push({
      subject: `tables[${rule.index}]`,
      problem: `the server writes ${nameOf(real)} into its binlog, so that ${nameOf(name)} is never seen there`,
      fix: `Set db: '${real.schema}', table: '${real.table}'`,
    });
    return;
  }
  const definition = await loadTableDefinition(control, server.flavor, name.schema, name.table);
  if (definition) await checkKeys(inspection, rule, name, definition);
}

function isSame(a: TableName, b: TableName): boolean {
  return a.schema === b.schema && a.table === b.table;
}

/** An old row goes into the binlog as an insert there, and a delete as an update: a written value could be either. */
function checkVersioning(
  rule: TableRule | undefined,
  table: ExistingTable,
  { faults }: PreflightResult,
): void {
  if (!table.versioned || rule?.strategy !== CacheStrategy.WriteThrough) return;
  faults.push({
    subject: `tables[${rule.index}] (${nameOf(table)})`,
    problem: 'write-through cannot tell the history rows of a system-versioned table from its current ones',
    fix: "Use strategy: 'cache-aside' for it",
  });
}

async function checkKeys(
  { control, settings, result }: Inspection,
  rule: TableRule,
  name: TableName,
  definition: TableDefinition,
): Promise<void> {
  const { faults, warnings, shapes } = result;
  const rowImage = settings.get('binlog_row_image') ?? 'FULL';
  const subject = `tables[${rule.index}] (${nameOf(name)})`;
  const shape = shapeOf(name, definition);
  const { columns } = shape;
  let keyColumns: readonly string[] | undefined;
  try {
    keyColumns = bindKeys(rule, shape).columns;
  } catch (error) {
    if (!(error instanceof NoUsableKeyError)) throw error;
    faults.push({ subject, problem: `no key can be made: ${messageOf(error)}`, fix: keyFix(rule, columns) });
    return;
  }
  const mayShare = rule.key.kind === 'default' && rule.key.fields === undefined && columns.includes('id');
  const sharesKeys = mayShare && shape.primaryKey.join() !== 'id' && !(await isUnique(control, name, 'id'));
  shapes.push(sharesKeys ? { ...shape, sharesKeys } : shape);
  if (sharesKeys) {
    warnings.push(
      `${subject}: its key is made of the column \`id\` alone, which several rows may share, and so their key. Set ` +
        `\`keyFields\` to columns that tell the rows apart`,
    );
  }
  if (rowImage !== 'FULL' && rule.invalidates) {
    faults.push({
      subject,
      problem: `with binlog_row_image = ${rowImage} a change may come without columns that \`invalidates\` reads`,
      fix: "SET GLOBAL binlog_row_image = 'FULL'; then reconnect the application's sessions",
    });
  }
  if (rowImage !== 'FULL' && rule.strategy === CacheStrategy.WriteThrough) {
    warnings.push(
      `${subject}: with binlog_row_image = ${rowImage} rows may arrive without all columns; their keys are removed ` +
        "instead of written. SET GLOBAL binlog_row_image = 'FULL'",
    );
  }
  if (rowImage === 'FULL') return;
  const left = definition.columns.filter((column) => isLeftOut(column, definition, rowImage));
  const lacking = left
    .filter((column) => keyColumns?.includes(column.name) ?? true)
    .map((column) => column.name);
  if (lacking.length === 0) return;
  faults.push({
    subject,
    problem: keyColumns
      ? `with binlog_row_image = ${rowImage} a change may come without ${lacking.join(', ')}, which the key is made of`
      : `with binlog_row_image = ${rowImage} a change may come without columns that the key function reads`,
    fix: "SET GLOBAL binlog_row_image = 'FULL', or make the key of the primary key's columns",
  });
}

/** MINIMAL keeps the primary key and what changed; NOBLOB leaves out BLOB and TEXT columns that did not change. */
function isLeftOut(
  column: TableDefinition['columns'][number],
  definition: TableDefinition,
  rowImage: string,
): boolean {
  if (definition.primaryKey.length === 0 && rowImage === 'MINIMAL') return false;
  if (definition.primaryKey.includes(column.name)) return false;
  return rowImage === 'MINIMAL' || BLOB_TYPES.test(column.dataType);
}

function keyFix(rule: TableRule, columns: readonly string[]): string {
  const near = namedColumns(rule)
    .filter((column) => !columns.includes(column))
    .flatMap((column) => nearMisses(column, columns));
  if (near.length > 0) return `Did you mean ${near.map((column) => `\`${column}\``).join(', ')}?`;
  const where = isExact(rule) ? '' : ' in an entry of its own for this table';
  return `Set \`keyFields\` or \`key\`${where} to columns that tell the rows apart, or add a primary key`;
}
