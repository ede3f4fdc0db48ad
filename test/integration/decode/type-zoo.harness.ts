import { createConnection, type Connection, type RowDataPacket } from 'mysql2/promise';
import { ControlConnection } from '../../../lib/mysql/control-connection';
import { type Column, resolveColumns } from '../../../lib/decode/column';
import {
  isRowsEvent,
  type Row,
  type RowImages,
  RowsDecoder,
  type ValueOptions,
} from '../../../lib/decode/rows-decoder';
import { Cursor } from '../../../lib/decode/cursor';
import { parseTableMap, readTableId, type TableMap } from '../../../lib/decode/table-map';
import { loadTableDefinition, type TableDefinition } from '../../../lib/mysql/table-definition';
import { binlogPosition, type RawEvent, readBinlog } from '../../support/raw-binlog';
import type { SqlServer } from '../../support/servers';

/** A column of a test table: its declaration and the SQL values that its rows go through. */
export interface ZooColumn {
  type: string;
  /** None for a generated column. */
  values?: string[];
}
export type ZooTable = Record<string, ZooColumn>;

/** The same options for mysql2 and the decoder, under a session time zone that fits. */
export interface Variant {
  name: string;
  options: ValueOptions;
  /** Undefined for the server's own. */
  sessionTimeZone?: string;
}

/** The session time zones fit the options, and 'local' is the servers' own: both run in {@link TIME_ZONE}. */
export const VARIANTS: Variant[] = [
  { name: 'mysql2 defaults', options: { supportBigNumbers: false } },
  { name: 'big numbers', options: { supportBigNumbers: true } },
  { name: 'big numbers as strings', options: { supportBigNumbers: true, bigNumberStrings: true } },
  { name: 'strings without big numbers', options: { supportBigNumbers: false, bigNumberStrings: true } },
  { name: 'UTC', options: { timezone: 'Z', supportBigNumbers: true }, sessionTimeZone: '+00:00' },
  {
    name: '+08:00, numbers',
    options: { timezone: '+08:00', decimalNumbers: true, supportBigNumbers: true },
    sessionTimeZone: '+08:00',
  },
  { name: 'date strings', options: { dateStrings: true, jsonStrings: true, supportBigNumbers: true } },
  {
    name: 'some date strings, -03:30',
    options: { timezone: '-03:30', dateStrings: ['TIMESTAMP', 'DATE'], supportBigNumbers: true },
    sessionTimeZone: '-03:30',
  },
];

/** With daylight saving, so that 'local' is a real test. */
export const TIME_ZONE = 'Europe/Berlin';

/** All rows of a table, in the order of their ids, as mysql2 reads them under one variant. */
type Snapshot = Row[];

/** A table's row events, and how to read them. */
export interface Recording {
  map: TableMap;
  columns: Column[];
  events: RawEvent[];
}

/** What happened to a table: three states of it, and the row events between them. */
export interface History extends Recording {
  inserted: Map<Variant, Snapshot>;
  updated: Map<Variant, Snapshot>;
}

/** Runs a table's life on a real server and keeps both what mysql2 reads and what the binlog says. */
export class Zoo {
  private constructor(
    readonly server: SqlServer,
    private readonly writer: Connection,
    private readonly readers: Map<Variant, Connection>,
    private readonly charsets: Map<number, string>,
  ) {}

  static async open(server: SqlServer, variants: Variant[]): Promise<Zoo> {
    await server.query('CREATE DATABASE IF NOT EXISTS zoo');
    const options = { ...server.connectionOptions(), database: 'zoo' };
    const writer = await createConnection(options);
    // Zero dates and days that no month has.
    await writer.query("SET SESSION sql_mode = 'ALLOW_INVALID_DATES'");
    const readers = new Map<Variant, Connection>();
    for (const variant of variants) {
      const reader = await createConnection({ ...options, ...(variant.options as object) });
      if (variant.sessionTimeZone) await reader.query('SET time_zone = ?', [variant.sessionTimeZone]);
      readers.set(variant, reader);
    }
    return new Zoo(server, writer, readers, await loadCharsets(server));
  }

  async close(): Promise<void> {
    for (const connection of [this.writer, ...this.readers.values()]) await connection.end();
  }

  /** Inserts all rows in one statement, updates each to the next one's values, deletes all. */
  async live(
    name: string,
    table: ZooTable,
    settings: { metadata: string; image: string },
    tableOptions = '',
  ): Promise<History> {
    await this.server.query(`SET GLOBAL binlog_row_metadata = '${settings.metadata}'`);
    await this.writer.query(`SET SESSION binlog_row_image = '${settings.image}'`);
    await this.createTable(name, table, tableOptions);
    const from = await binlogPosition(this.writer);
    await this.insertAll(name, table);
    const inserted = await this.snapshots(name);
    await this.updateAll(name, table);
    const updated = await this.snapshots(name);
    await this.writer.query(`DELETE FROM \`${name}\` ORDER BY id`);
    const events = await readBinlog(this.server.connectionOptions(), from);
    return { ...(await this.resolve(name, events)), inserted, updated };
  }

  /** Makes a table and keeps what the statements after that do to it. */
  async capture(name: string, create: string, statements: string[]): Promise<Recording> {
    await this.writer.query(create);
    const from = await binlogPosition(this.writer);
    for (const statement of statements) await this.writer.query(statement);
    return this.resolve(name, await readBinlog(this.server.connectionOptions(), from));
  }

  private async createTable(name: string, table: ZooTable, tableOptions: string): Promise<void> {
    const columns = Object.entries(table).map(([column, { type }]) => `\`${column}\` ${type}`);
    await this.writer.query(`DROP TABLE IF EXISTS \`${name}\``);
    await this.writer.query(
      `CREATE TABLE \`${name}\` (id INT PRIMARY KEY AUTO_INCREMENT, ${columns.join(', ')}) DEFAULT CHARSET utf8mb4 ${tableOptions}`,
    );
  }

  private async insertAll(name: string, table: ZooTable): Promise<void> {
    const names = settable(table).map(([column]) => `\`${column}\``);
    const rows = Array.from({ length: rowCount(table) }, (_, i) => `(${valuesAt(table, i).join(', ')})`);
    await this.writer.query(`INSERT IGNORE INTO \`${name}\` (${names.join(', ')}) VALUES ${rows.join(', ')}`);
  }

  private async updateAll(name: string, table: ZooTable): Promise<void> {
    for (let i = 0; i < rowCount(table); i++) {
      const values = valuesAt(table, i + 1);
      const sets = settable(table).map(([column], c) => `\`${column}\` = ${values[c]!}`);
      await this.writer.query(`UPDATE IGNORE \`${name}\` SET ${sets.join(', ')} WHERE id = ${i + 1}`);
    }
  }

  private async snapshots(name: string): Promise<Map<Variant, Snapshot>> {
    const snapshots = new Map<Variant, Snapshot>();
    for (const [variant, reader] of this.readers) {
      const [rows] = await reader.query<RowDataPacket[]>(`SELECT * FROM \`${name}\` ORDER BY id`);
      // mysql2's buffers lie in its packet and its rows are of a class that it makes itself.
      snapshots.set(
        variant,
        rows.map((row) => ({ ...row })),
      );
    }
    return snapshots;
  }

  private async resolve(name: string, events: RawEvent[]): Promise<Recording> {
    const maps = events
      .filter((event) => event.type === 19)
      .map((event) => parseTableMap(event.buffer, event.start, event.end));
    const map = maps.find((candidate) => candidate.table === name);
    if (!map) throw new Error(`No row event of ${name}`);
    const definition = await loadDefinition(this.server, name);
    const columns = resolveColumns(
      map,
      [...definition.columns],
      (id) => this.charsets.get(id),
      definition.hidden,
    );
    const own = events.filter(
      (event) => isRowsEvent(event.type) && readTableId(event.buffer, event.start) === map.tableId,
    );
    return { map, columns, events: own };
  }
}

/** All rows of a recording, one decoder for all of its events. */
export function decodeAll(
  history: Recording,
  options: ValueOptions,
  wanted?: ReadonlySet<string>,
): RowImages[] {
  const decoder = new RowsDecoder(history.columns, options, wanted);
  return history.events.flatMap((event) =>
    decoder.decode(event.type, new Cursor(event.buffer, event.start, event.end)),
  );
}

function settable(table: ZooTable): [string, ZooColumn][] {
  return Object.entries(table).filter(([, column]) => column.values !== undefined);
}

/** One row more than the longest list of values: row 0 is all NULL. */
function rowCount(table: ZooTable): number {
  return 1 + Math.max(...settable(table).map(([, column]) => column.values!.length));
}

function valuesAt(table: ZooTable, row: number): string[] {
  const place = row % rowCount(table);
  return settable(table).map(([, { type, values }]) => {
    if (place === 0) return /NOT NULL/.test(type) ? values![0]! : 'NULL';
    return values![(place - 1) % values!.length]!;
  });
}

async function loadCharsets(server: SqlServer): Promise<Map<number, string>> {
  const rows = await server.query<{ id: number | null; charset: string }>(
    'SELECT ID AS id, CHARACTER_SET_NAME AS charset FROM INFORMATION_SCHEMA.COLLATIONS',
  );
  return new Map(rows.map((row) => [Number(row.id), row.charset]));
}

async function loadDefinition(server: SqlServer, table: string): Promise<TableDefinition> {
  const control = await ControlConnection.open(server.connectionOptions());
  try {
    const definition = await loadTableDefinition(control, server.kind, 'zoo', table);
    if (!definition) throw new Error(`There is no table ${table}`);
    return definition;
  } finally {
    control.close();
  }
}
