import { describe, expect, it } from 'vitest';
import type { EventGroupFate } from '../../../lib/binlog/event-groups/event-group-fate';
import { TransactionAssembler } from '../../../lib/binlog/event-groups/transaction-assembler';
import type { RowChange, StreamItem, TransactionPiece } from '../../../lib/change/stream';

const END = { file: 'f.1', offset: 100 };

function change(n: number, transactional: boolean | undefined = true): RowChange {
  const table = { schema: 'd', table: 't', columns: [], primaryKey: [], transactional };
  return { kind: 'row', action: 'insert', table, after: { n } } as unknown as RowChange;
}

function assembler(): {
  transaction: TransactionAssembler;
  pieces: TransactionPiece[];
  row(n: number, transactional?: boolean): void;
} {
  const pieces: TransactionPiece[] = [];
  const remains = (item: StreamItem): StreamItem | undefined =>
    item.kind === 'row' && item.table.transactional ? undefined : item;
  const transaction = new TransactionAssembler(
    (piece) => pieces.push(piece),
    () => ({ file: 'f.1', offset: 50 }),
    remains,
  );
  transaction.begin(10, 'a:1');
  return {
    transaction,
    pieces,
    row: (n, transactional = true) => {
      transaction.startRowEvent();
      transaction.add(change(n, transactional));
      transaction.addBytes(100);
    },
  };
}

const numbers = (pieces: readonly TransactionPiece[]): unknown[] =>
  pieces.flatMap(({ items }) => items.map((item) => (item.kind === 'row' ? item.after?.['n'] : 'flush')));

const fate = (
  end: EventGroupFate['end'],
  undone: readonly number[] = [],
  unclearBefore = 0,
): EventGroupFate => ({
  end,
  xid: undefined,
  isUndone: (rowEvent) => undone.includes(rowEvent),
  unclearBefore,
});

describe('TransactionAssembler', () => {
  it('hands nothing on before the end', () => {
    const { transaction, pieces, row } = assembler();
    for (let n = 0; n < 3_000; n++) row(n);
    expect(pieces).toEqual([]);
    expect(transaction.isTooLarge).toBe(false);
    transaction.end(END);
    expect(numbers(pieces)).toEqual(Array.from({ length: 3_000 }, (_, n) => n));
    // In pieces that make good batches, of which only the last one ends the transaction.
    expect(pieces.map(({ items }) => items.length)).toEqual([1_000, 1_000, 1_000]);
    expect(pieces.map(({ end, gtid }) => [end, gtid])).toEqual([
      [undefined, undefined],
      [undefined, undefined],
      [END, 'a:1'],
    ]);
    expect(pieces.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(300_000);
  });

  it('keeps what a table without transactions keeps, in its place', () => {
    const { transaction, pieces, row } = assembler();
    row(1);
    row(2, false);
    transaction.savepoint('s');
    row(3);
    row(4, false);
    row(5);
    expect(transaction.rollbackTo('S')).toBe(true);
    row(6);
    transaction.end(END);
    expect(numbers(pieces)).toEqual([1, 2, 4, 6]);
    const whole = assembler();
    whole.row(1);
    whole.row(2, false);
    whole.transaction.add({ kind: 'flush', table: undefined, position: END });
    whole.row(3);
    whole.transaction.rollBack();
    whole.transaction.end(END);
    expect(numbers(whole.pieces)).toEqual([2, 'flush']);
  });

  it('takes everything back where it cannot tell the savepoint', () => {
    const { transaction, pieces, row } = assembler();
    row(1);
    transaction.savepoint('s');
    row(2);
    expect(transaction.rollbackTo('other')).toBe(false);
    row(3);
    transaction.end(END);
    expect(numbers(pieces)).toEqual([3]);
  });

  it('drops a witness with the row that it is', () => {
    const { transaction, pieces, row } = assembler();
    transaction.savepoint('s');
    transaction.setWitness(() => undefined);
    row(1);
    transaction.rollbackTo('s');
    expect(transaction.hasWitness).toBe(false);
    row(2);
    transaction.end(END);
    expect(pieces[0]?.mark?.witness).toBeUndefined();
  });

  it('asks for the fate of what is too large, and then hands on what came true of it', () => {
    const { transaction, pieces, row } = assembler();
    for (let n = 0; n < 4_000; n++) row(n);
    expect(transaction.isTooLarge).toBe(true);
    expect(pieces).toEqual([]);
    transaction.settle(fate('committed', [1, 3, 4_000]));
    expect(transaction.isTooLarge).toBe(false);
    expect(pieces.length).toBeGreaterThan(0);
    expect(transaction.startRowEvent()).toBe(false);
    expect(transaction.startRowEvent()).toBe(true);
    transaction.add(change(4_001));
    transaction.end(END);
    const kept = Array.from({ length: 4_000 }, (_, n) => n).filter((n) => n !== 1 && n !== 3);
    expect(numbers(pieces)).toEqual([...kept, 4_001]);
  });

  it('hands on nothing of what is too large and was rolled back, or never ended, or is unclear', () => {
    for (const end of ['rolled-back', 'unfinished', 'prepared'] as const) {
      const { transaction, pieces, row } = assembler();
      for (let n = 0; n < 4_000; n++) row(n);
      transaction.settle(fate(end));
      expect(transaction.startRowEvent()).toBe(false);
      transaction.end(END);
      expect(numbers(pieces), end).toEqual([]);
    }
    const { transaction, pieces, row } = assembler();
    for (let n = 0; n < 4_000; n++) row(n);
    transaction.settle(fate('committed', [], 3_998));
    transaction.end(END);
    expect(numbers(pieces)).toEqual([3_998, 3_999]);
  });

  it('lets nothing of a transaction that never ended come with the next one', () => {
    const { transaction, pieces, row } = assembler();
    row(1);
    transaction.drop();
    expect(transaction.isOpen).toBe(false);
    transaction.begin(60, 'a:2');
    row(2);
    transaction.end(END);
    expect(numbers(pieces)).toEqual([2]);
    expect(pieces[0]?.bytes).toBe(100);
  });
});
