import { describe, expect, it } from 'vitest';
import { type ColumnDefinition, resolveColumns, SchemaDriftError } from '../../../lib/decode/column';
import { ColumnType } from '../../../lib/decode/column-type';
import type { HiddenColumns } from '../../../lib/decode/hidden-columns';
import type { ColumnMap } from '../../../lib/decode/table-map';
import { definitionOf, tableMap } from './support';

const id: Partial<ColumnMap> = { type: ColumnType.LongLong, nullable: false };
const hash: Partial<ColumnMap> = { type: ColumnType.LongLong, unsigned: true, nullable: true };
const instant: Partial<ColumnMap> = { type: ColumnType.Timestamp2, meta: 6, nullable: false };
const ID = definitionOf({ name: 'id', dataType: 'bigint', columnType: 'bigint' });

/** The columns with the hidden ones in brackets, or what was thrown. */
function resolved(
  columns: Partial<ColumnMap>[],
  hidden?: HiddenColumns,
  definitions: ColumnDefinition[] = [ID],
): string {
  try {
    return resolveColumns(tableMap(columns), definitions, undefined, hidden)
      .map(({ name, invisible }) => (invisible ? `[${name}]` : name))
      .join(' ');
  } catch (error) {
    if (error instanceof SchemaDriftError) return 'drift';
    throw error;
  }
}

describe('columns after those of the definition', () => {
  it('are a drift on MySQL, whatever they look like', () => {
    expect(resolved([id])).toBe('id');
    expect(resolved([id, hash])).toBe('drift');
    expect(resolved([id, instant, instant])).toBe('drift');
  });

  it('are hidden on MariaDB only where the table has reason to have them', () => {
    expect(resolved([id, hash], { versioned: false, hashes: 1 })).toBe('id [DB_ROW_HASH_1]');
    expect(resolved([id, hash], { versioned: false, hashes: 0 })).toBe('drift');
    expect(resolved([id, hash, hash], { versioned: false, hashes: 1 })).toBe('drift');
    expect(resolved([id, instant, instant], { versioned: true, hashes: 0 })).toBe('id [row_start] [row_end]');
    expect(resolved([id, instant, instant], { versioned: false, hashes: 0 })).toBe('drift');
    expect(resolved([id, instant, instant, hash], { versioned: true, hashes: 1 })).toBe(
      'id [row_start] [row_end] [DB_ROW_HASH_1]',
    );
  });

  it('may be fewer than the table has now: an index was added since', () => {
    expect(resolved([id], { versioned: true, hashes: 2 })).toBe('id');
    expect(resolved([id, hash], { versioned: true, hashes: 2 })).toBe('id [DB_ROW_HASH_1]');
  });

  it.each<[string, Partial<ColumnMap>[]]>([
    ['a signed BIGINT', [id, { ...hash, unsigned: false }]],
    ['a BIGINT NOT NULL', [id, { ...hash, nullable: false }]],
    ['an INT', [id, { ...hash, type: ColumnType.Long }]],
    ['one TIMESTAMP(6)', [id, instant]],
    ['TIMESTAMP(3)', [id, { ...instant, meta: 3 }, { ...instant, meta: 3 }]],
    ['TIMESTAMP(6) NULL', [id, { ...instant, nullable: true }, { ...instant, nullable: true }]],
    ['a hash before the versioning', [id, hash, instant, instant]],
  ])('are not hidden: %s', (_title, columns) => {
    expect(resolved(columns, { versioned: true, hashes: 1 })).toBe('drift');
  });

  it('may lack their sign, without row metadata', () => {
    const { unsigned: _sign, ...bare } = hash;
    expect(resolved([id, bare], { versioned: false, hashes: 1 })).toBe('id [DB_ROW_HASH_1]');
  });
});

describe('columns with names that the definition lacks', () => {
  const named = (name: string, column: Partial<ColumnMap>): Partial<ColumnMap> => ({ ...column, name });
  const versioning = [named('row_start', instant), named('row_end', instant)];
  const any: HiddenColumns = { versioned: false, hashes: 0 };

  it('are those of a former column on MySQL', () => {
    expect(resolved([named('id', id), ...versioning, named('DB_ROW_HASH_1', hash)])).toBe(
      'id row_start row_end DB_ROW_HASH_1',
    );
  });

  it('are hidden on MariaDB where they stand at the end and are of the kind', () => {
    expect(resolved([named('id', id), ...versioning, named('DB_ROW_HASH_1', hash)], any)).toBe(
      'id [row_start] [row_end] [DB_ROW_HASH_1]',
    );
    expect(resolved([named('id', id), named('DB_ROW_HASH_2', hash)], any)).toBe('id [DB_ROW_HASH_2]');
    expect(resolved([named('DB_ROW_HASH_1', hash), named('id', id)], any)).toBe('DB_ROW_HASH_1 id');
    expect(resolved([named('id', id), named('row_start', hash)], any)).toBe('id row_start');
    expect(resolved([named('id', id), named('row_end', instant)], any)).toBe('id row_end');
    expect(resolved([named('id', id), named('DB_ROW_HASH_1', instant)], any)).toBe('id DB_ROW_HASH_1');
    expect(resolved(versioning, any)).toBe('[row_start] [row_end]');
  });

  it('are visible where the definition has them', () => {
    const definitions = [
      ID,
      definitionOf({ name: 'DB_ROW_HASH_1', dataType: 'bigint', columnType: 'bigint' }),
    ];
    expect(resolved([named('id', id), named('DB_ROW_HASH_1', hash)], any, definitions)).toBe(
      'id DB_ROW_HASH_1',
    );
  });
});
