import { describe, expect, it } from 'vitest';
import { isJsonCheck, resolveColumns, SchemaDriftError } from '../../../lib/decode/column';
import { ColumnType } from '../../../lib/decode/column-type';
import { enumLabels } from '../../../lib/decode/enum-labels';
import { definitionOf, tableMap } from './support';

describe('the columns of a table', () => {
  const id = { type: ColumnType.Long };
  const mail = { type: ColumnType.Varchar, meta: 400 };
  const idDefinition = definitionOf({ name: 'id', columnType: 'int unsigned' });
  const mailDefinition = definitionOf({
    name: 'mail',
    dataType: 'varchar',
    columnType: 'varchar(100)',
    charset: 'latin1',
  });

  it('take names, sign and character set from the definition where the map has none', () => {
    const columns = resolveColumns(tableMap([id, mail]), [idDefinition, mailDefinition]);
    expect(columns.map(({ name, unsigned, charset }) => ({ name, unsigned, charset }))).toStrictEqual([
      { name: 'id', unsigned: true, charset: 'utf8mb4' },
      { name: 'mail', unsigned: false, charset: 'latin1' },
    ]);
  });

  it('do not fit a definition with another number of columns', () => {
    const map = tableMap([id, mail]);
    expect(() => resolveColumns(map, [idDefinition])).toThrow(SchemaDriftError);
    expect(() => resolveColumns(map, [idDefinition])).toThrow(
      'shop.users carry no column names, and its present definition does not fit them: ' +
        'the event has 2 columns, the definition 1',
    );
    expect(() => resolveColumns(map, undefined)).toThrow('the definition 0');
  });

  it('do not fit a definition with other types', () => {
    expect(() => resolveColumns(tableMap([id, mail]), [mailDefinition, idDefinition])).toThrow(
      'column 1 is Long in the event and varchar in the definition (mail)',
    );
  });

  it('with names ignore the definition of an altered column', () => {
    const map = tableMap([
      { ...id, name: 'mail', unsigned: false },
      { ...mail, name: 'old', collation: 8 },
    ]);
    const columns = resolveColumns(map, [mailDefinition], (collation) =>
      collation === 8 ? 'latin1' : undefined,
    );
    expect(columns.map(({ name, charset }) => [name, charset])).toStrictEqual([
      ['mail', 'utf8mb4'],
      ['old', 'latin1'],
    ]);
  });
});

describe('a COLUMN_TYPE', () => {
  it('gives its labels with every escape undone', () => {
    expect(enumLabels(String.raw`enum('a','b,c','it''s','x\\y','n\nl','')`)).toStrictEqual([
      'a',
      'b,c',
      "it's",
      String.raw`x\y`,
      'n\nl',
      '',
    ]);
    expect(enumLabels("varchar(20) /* 'no' */")).toStrictEqual([]);
  });
});

describe('a CHECK', () => {
  it('makes a column JSON only if it is json_valid of that column', () => {
    expect(isJsonCheck('json_valid(`j`)', 'j')).toBe(true);
    expect(isJsonCheck('json_valid(`j`)', 'k')).toBe(false);
    expect(isJsonCheck('json_valid(`j`) and length(`j`) > 2', 'j')).toBe(false);
  });
});
