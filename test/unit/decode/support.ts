import { type Column, type ColumnDefinition, resolveColumns } from '../../../lib/decode/column';
import { Cursor } from '../../../lib/decode/cursor';
import { readerOf } from '../../../lib/decode/readers/column-reader';
import type { ColumnMap, TableMap } from '../../../lib/decode/table-map';
import type { ValueOptions } from '../../../lib/decode/value-options';

export function tableMap(columns: Partial<ColumnMap>[]): TableMap {
  const maps = columns.map((column) => ({ type: 3, meta: 0, nullable: true, ...column }));
  const hasNames = maps.every((column) => column.name !== undefined);
  return { tableId: 7, schema: 'shop', table: 'users', columns: maps, hasNames };
}

export function columnOf(map: Partial<ColumnMap>, definition?: Partial<ColumnDefinition>): Column {
  const definitions = definition && [definitionOf({ name: 'c', ...definition })];
  return resolveColumns(tableMap([{ name: 'c', ...map }]), definitions)[0]!;
}

export function definitionOf(definition: Partial<ColumnDefinition>): ColumnDefinition {
  return {
    name: 'c',
    dataType: 'int',
    columnType: 'int',
    charset: null,
    numericScale: null,
    generated: false,
    ...definition,
  };
}

/** The value of a column in these bytes; they have to be used up. */
export function readHex(of: Column, hex: string, options: ValueOptions = {}): unknown {
  const buffer = Buffer.from(hex.replaceAll(' ', ''), 'hex');
  const cursor = new Cursor(buffer, 0, buffer.length);
  const value = readerOf(of, options)(cursor);
  if (cursor.pos !== buffer.length) throw new Error(`${buffer.length - cursor.pos} bytes are left`);
  return value;
}
