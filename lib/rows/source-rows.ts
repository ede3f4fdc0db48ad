import type { ServerInfo } from '../mysql/control-connection';
import { ControlConnection } from '../mysql/control-connection';
import { timestampValue } from '../decode/readers/temporal-value';
import { quoteName, quoteTable } from '../mysql/sql-text';
import type { MysqlSourceOptions } from '../options/cacheflow.options';
import type { Row } from '../change/change-event';
import type { KeyedTable } from './keyed-table';

/** A row of the source. */
export interface SourceRow {
  /** As events hold it. */
  readonly row: Row;
  /**
   * The TIMESTAMP columns as mysql2 reads them in the session's own time zone, which an app may cache as well;
   * undefined without such columns.
   */
  readonly asRead: Row | undefined;
}

/** What is to be read beside the columns, by name. */
export type Extras = ReadonlyMap<string, string>;

const INSTANT = '$cacheflow_instant_';

/** Reads rows of the source over a connection of its own, with the user's own options for values. */
export class SourceRows {
  private constructor(
    readonly control: ControlConnection,
    readonly server: ServerInfo,
    private readonly options: MysqlSourceOptions,
  ) {}

  /** Rejects with mysql2's error, or with the signal's reason. */
  static async open(options: MysqlSourceOptions, signal: AbortSignal): Promise<SourceRows> {
    const { timezone, dateStrings, decimalNumbers, supportBigNumbers, bigNumberStrings, jsonStrings } =
      options;
    const control = await ControlConnection.open(options, signal, {
      reading: {
        ...(timezone === undefined ? {} : { timezone }),
        ...(dateStrings === undefined ? {} : { dateStrings }),
        decimalNumbers: decimalNumbers ?? false,
        supportBigNumbers: supportBigNumbers ?? true,
        bigNumberStrings: bigNumberStrings ?? false,
        jsonStrings: jsonStrings ?? false,
      },
      // TIMESTAMPs have to read as in the app's own sessions, see `asRead`.
      ownTimeZone: true,
    });
    try {
      return new SourceRows(control, await control.serverInfo(), options);
    } catch (error) {
      control.close();
      throw error;
    }
  }

  get isOpen(): boolean {
    return this.control.isOpen;
  }

  /**
   * The rows that fulfil a condition.
   *
   * @param columns those to read; all without it
   * @param rest ORDER BY and LIMIT
   */
  async select(
    table: KeyedTable,
    where: string,
    { columns = table.shape.columns, extras = new Map<string, string>(), rest = '' }: SelectOptions = {},
  ): Promise<(SourceRow & { readonly extra: Row })[]> {
    const instants = columns.filter((name) => table.columns.get(name)?.dataType === 'timestamp');
    const expressions = [
      ...columns.map(quoteName),
      ...instants.map((name) => `UNIX_TIMESTAMP(${quoteName(name)}) AS ${quoteName(INSTANT + name)}`),
      ...[...extras].map(([name, expression]) => `${expression} AS ${quoteName(name)}`),
    ];
    const rows = await this.control.query(
      `SELECT ${expressions.join(', ')} FROM ${quoteTable(table.shape)} WHERE ${where} ${rest}`,
    );
    return rows.map((read) => this.toSourceRow(table, read, { columns, instants, extras }));
  }

  close(): void {
    this.control.close();
  }

  private toSourceRow(
    table: KeyedTable,
    read: Row,
    { columns, instants, extras }: SelectedColumns,
  ): SourceRow & { readonly extra: Row } {
    if (instants.length === 0 && extras.size === 0) return { row: read, asRead: undefined, extra: {} };
    const row = Object.fromEntries(columns.map((name) => [name, read[name]]));
    const extra = Object.fromEntries([...extras.keys()].map((name) => [name, read[name]]));
    const asRead = Object.fromEntries(instants.map((name) => [name, read[name]]));
    for (const name of instants) {
      const digits = Number(/\((\d)\)/.exec(table.columns.get(name)?.columnType ?? '')?.[1] ?? 0);
      const [seconds = '', fraction = ''] = String(read[INSTANT + name]).split('.');
      if (read[name] === null) continue;
      const value = timestampValue(this.options, digits);
      row[name] = value(Number(seconds), Number(fraction.padEnd(6, '0').slice(0, 6)));
    }
    return { row, asRead: instants.length > 0 ? asRead : undefined, extra };
  }
}

/** What a statement has read. */
interface SelectedColumns {
  readonly columns: readonly string[];
  /** TIMESTAMPs, which were read as instants as well. */
  readonly instants: readonly string[];
  readonly extras: Extras;
}

interface SelectOptions {
  readonly columns?: readonly string[];
  readonly extras?: Extras;
  readonly rest?: string;
}
