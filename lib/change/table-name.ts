/** A table by its name, in the server's spelling. */
export interface TableName {
  readonly schema: string;
  readonly table: string;
}

/** `schema.table`. */
export function nameOf({ schema, table }: TableName): string {
  return `${schema}.${table}`;
}

/** Whether two names differ in nothing but case: a statement may spell one in another case than the server does. */
export function isSameButForCase(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

/** The same of tables. */
export function isSameTableButForCase(a: TableName, b: TableName): boolean {
  return isSameButForCase(a.schema, b.schema) && isSameButForCase(a.table, b.table);
}
