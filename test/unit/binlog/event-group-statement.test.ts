import { describe, expect, it } from 'vitest';
import { readEventGroupStatement } from '../../../lib/binlog/statements/event-group-statement';
import { readXaPrepare, xidOfStatement } from '../../../lib/binlog/statements/xid';

describe('a statement that parts the binlog', () => {
  it.each([
    ['BEGIN', { kind: 'begin' }],
    ['begin work', { kind: 'begin' }],
    ['COMMIT', { kind: 'commit' }],
    ['commit work;', { kind: 'commit' }],
    ['ROLLBACK', { kind: 'rollback' }],
    ['rollback Work', { kind: 'rollback' }],
    ['SAVEPOINT `s`', { kind: 'savepoint', name: 's' }],
    ['savepoint s', { kind: 'savepoint', name: 's' }],
    ['SAVEPOINT "a""b`"', { kind: 'savepoint', name: 'a"b`' }],
    ['SAVEPOINT `a``b "c`', { kind: 'savepoint', name: 'a`b "c' }],
    ['ROLLBACK TO `s`', { kind: 'rollback-to', name: 's' }],
    ['rollback work to savepoint `to`', { kind: 'rollback-to', name: 'to' }],
    ['ROLLBACK TO savepoint', { kind: 'rollback-to', name: 'savepoint' }],
    ["XA START X'61',X'',1", { kind: 'xa-start', xid: '1:61:' }],
    ["XA END X'61',X'',1", { kind: 'xa-end' }],
    ["XA COMMIT X'61',X'62',7", { kind: 'xa-commit', xid: '7:61:62' }],
    ["xa rollback X'6A',X'',1", { kind: 'xa-rollback', xid: '1:6a:' }],
    ["XA COMMIT 'a'", { kind: 'xa-commit', xid: undefined }],
  ])('%s', (statement, told) => {
    expect(readEventGroupStatement(statement)).toEqual(told);
  });

  it.each([
    'BEGIN NOT ATOMIC TRUNCATE t; END',
    'COMMITTED',
    'RELEASE SAVEPOINT s',
    'XA RECOVER',
    'RENAME TABLE a TO b',
    '',
  ])('is not: %s', (statement) => {
    expect(readEventGroupStatement(statement)).toBeUndefined();
  });
});

describe('the name of an XA transaction', () => {
  it('is the same in the event and in the statement', () => {
    // As MySQL 9.7 and MariaDB 10.11 write them for XA … X'0027ff5c22', X'00', 1.
    const event = Buffer.from('000100000005000000010000000027ff5c2200', 'hex');
    const { xid, onePhase } = readXaPrepare(event, 0);
    expect(onePhase).toBe(false);
    expect(xid).toBe(xidOfStatement("XA COMMIT X'0027FF5C22',X'00',1"));
    expect(readXaPrepare(Buffer.from('0101000000010000000000000078', 'hex'), 0)).toEqual({
      xid: '1:78:',
      onePhase: true,
    });
  });

  it('tells the parts apart', () => {
    expect(xidOfStatement("XA COMMIT X'6162',X'',1")).not.toBe(xidOfStatement("XA COMMIT X'61',X'62',1"));
    expect(xidOfStatement("XA COMMIT X'61',X'',1")).not.toBe(xidOfStatement("XA COMMIT X'61',X'',2"));
  });

  it('takes a format id for what the event can hold of it', () => {
    expect(xidOfStatement("XA COMMIT X'61',X'',4294967295")).toBe(
      xidOfStatement("XA COMMIT X'61',X'',8589934591"),
    );
  });
});
