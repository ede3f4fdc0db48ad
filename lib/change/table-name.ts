/** A table by its name, in the server's spelling. */
export interface TableName {
  readonly schema: string;
  readonly table: string;
}

/** One table, or with `table` undefined all tables of a database. */
export interface TableScope {
  readonly schema: string;
  readonly table: string | undefined;
}

/** `schema.table`, for people and options. */
export function nameOf({ schema, table }: TableName): string {
  return `${schema}.${table}`;
}

/** Tells tables apart, also those with a dot in a name. */
export function tableId({ schema, table }: TableName): string {
  return `${schema}\0${table}`;
}

/** Whether two names differ in nothing but case: a statement may spell one in another case than the server does. */
export function isSameButForCase(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

/** Whether a table is the one that is meant, or one of those, whatever the case in which either is written. */
export function isInScope({ schema, table }: TableName, scope: TableScope): boolean {
  return (
    isSameButForCase(schema, scope.schema) &&
    (scope.table === undefined || isSameButForCase(table, scope.table))
  );
}
