/** The databases that the binlog of a server holds: those that binlog-do-db names, else all but binlog-ignore-db's. */
export class BinlogFilter {
  private constructor(
    /** The option that decides. */
    readonly option: 'binlog-do-db' | 'binlog-ignore-db',
    /** What it names, with commas between. */
    readonly list: string,
    private readonly anyCase: boolean,
  ) {}

  /** Undefined where nothing is filtered. With binlog-do-db the other one is not looked at. */
  static of(
    { doDb, ignoreDb }: { readonly doDb: string; readonly ignoreDb: string },
    anyCase: boolean,
  ): BinlogFilter | undefined {
    if (doDb) return new BinlogFilter('binlog-do-db', doDb, anyCase);
    return ignoreDb ? new BinlogFilter('binlog-ignore-db', ignoreDb, anyCase) : undefined;
  }

  hides(database: string): boolean {
    const fold = (text: string): string => (this.anyCase ? text.toLowerCase() : text);
    // A name may hold a comma itself.
    const isNamed = fold(`,${this.list},`).includes(fold(`,${database},`));
    return this.option === 'binlog-do-db' ? !isNamed : isNamed;
  }

  saysOf(database: string): string {
    return this.option === 'binlog-do-db'
      ? `binlog-do-db is ${this.list} and leaves out ${database}`
      : `binlog-ignore-db is ${this.list} and leaves out ${database}`;
  }

  cureFor(database: string): string {
    return this.option === 'binlog-do-db'
      ? `Add binlog-do-db = ${database} in a line of its own, or remove all binlog-do-db`
      : `Remove ${database} from binlog-ignore-db`;
  }
}
