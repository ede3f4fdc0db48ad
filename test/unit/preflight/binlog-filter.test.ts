import { describe, expect, it } from 'vitest';
import { BinlogFilter } from '../../../lib/preflight/binlog-filter';

/** Which of some databases are hidden. */
function hidden(doDb: string, ignoreDb: string, anyCase = false): string[] {
  const filter = BinlogFilter.of({ doDb, ignoreDb }, anyCase);
  return ['shop', 'SHOP', 'logs', 'op', 'a,b', 'a'].filter((db) => filter?.hides(db));
}

describe('a filter of the binlog', () => {
  it('is none without options', () => {
    expect(BinlogFilter.of({ doDb: '', ignoreDb: '' }, false)).toBeUndefined();
  });

  it('hides what binlog-ignore-db names, as a whole name', () => {
    expect(hidden('', 'shop,logs')).toEqual(['shop', 'logs']);
    expect(hidden('', 'a,b')).toEqual(['a,b', 'a']);
  });

  it('hides all but what binlog-do-db names, whatever the other one says', () => {
    expect(hidden('shop', 'shop')).toEqual(['SHOP', 'logs', 'op', 'a,b', 'a']);
    expect(hidden('shop,a,b', '')).toEqual(['SHOP', 'logs', 'op']);
  });

  // MySQL 9.7 with lower_case_table_names=1 was seen to hide `shop` under --binlog-ignore-db=SHOP.
  it('compares in any case on MySQL with lower_case_table_names', () => {
    expect(hidden('', 'SHOP', true)).toEqual(['shop', 'SHOP']);
    expect(hidden('', 'SHOP')).toEqual(['SHOP']);
  });
});
