import { toRegExp } from './patterns';

/** A pattern `db.table`, where `*` stands for any run of characters; `*` alone matches every table. */
export class TablePattern {
  private readonly db: RegExp;
  private readonly table: RegExp;

  /** Throws a SyntaxError when it is no pattern. */
  constructor(readonly source: string) {
    const dot = source.indexOf('.');
    if (source !== '*' && (dot < 1 || dot === source.length - 1)) {
      throw new SyntaxError(
        `"${source}" is no table pattern: write 'db.table', with * where any name will do`,
      );
    }
    this.db = toRegExp(source === '*' ? '*' : source.slice(0, dot));
    this.table = toRegExp(source === '*' ? '*' : source.slice(dot + 1));
  }

  matches(schema: string, table: string): boolean {
    return this.db.test(schema) && this.table.test(table);
  }
}
