import { describe, expect, it } from 'vitest';
import { replicaTargetOf, sourceTargetOf } from '../../../lib/barrier/barrier-target';
import type { CommitMark, StreamItem, TransactionPiece, WitnessRow } from '../../../lib/change/stream';

const A = '3e11fa47-71ca-11e1-9e33-c80aa9429562';
const B = '4e11fa47-71ca-11e1-9e33-c80aa9429562';
const ROW = { kind: 'row' } as StreamItem;
const ALL: StreamItem = { kind: 'flush', table: undefined, position: { file: 'f.1', offset: 4 } };
const flushOf = (table: string): StreamItem => ({ ...ALL, table: { schema: 's', table } }) as StreamItem;

function pieceOf(mark: Partial<CommitMark> | undefined, ...items: StreamItem[]): TransactionPiece {
  return {
    items,
    bytes: 0,
    end: undefined,
    gtid: undefined,
    mark: mark && { gtid: undefined, file: 'f.1', offset: 4, witness: undefined, ...mark },
  };
}
const witness = (table: string) => ({ table: { schema: 's', table } }) as WitnessRow;

it('is none where nothing changes', () => {
  const pieces = [pieceOf(undefined), pieceOf(undefined)];
  expect([sourceTargetOf(pieces), replicaTargetOf(pieces)]).toEqual([undefined, undefined]);
});

describe('the target on a replica', () => {
  it('is every GTID of MySQL, those that follow each other together', () => {
    const gtids = [`${A}:5`, `${A}:6`, `${A}:6`, `${A}:9`, `${B}:7`, `${B}:tag:8`, `${A}:10`];
    expect(replicaTargetOf(gtids.map((gtid) => pieceOf({ gtid }, ROW)))).toMatchObject({
      gtidSet: `${A}:5-6,${A}:9-9,${B}:7-7,${B}:tag:8-8,${A}:10-10`,
      domainGtids: undefined,
      allHaveGtids: true,
      last: { gtid: `${A}:10` },
    });
  });

  it('is the last GTID of each domain of MariaDB', () => {
    const target = replicaTargetOf(['0-1-5', '3-1-9', '0-2-6'].map((gtid) => pieceOf({ gtid }, ROW)));
    expect(target).toMatchObject({ gtidSet: undefined, domainGtids: '0-2-6,3-1-9', allHaveGtids: false });
  });
});

describe('the target on the source', () => {
  it('is the last GTID of MySQL, and nothing before it', () => {
    const before = [pieceOf({ gtid: `${A}:5` }, ROW), pieceOf({}, ALL)];
    const target = sourceTargetOf([...before, pieceOf({ gtid: `${A}:6` }, ALL), pieceOf(undefined)]);
    expect(target).toMatchObject({
      last: { gtid: `${A}:6` },
      known: { gtid: `${A}:6` },
      tables: [],
      unproven: undefined,
      untold: false,
    });
  });

  it('is the last GTID of MySQL, and what comes after it without one', () => {
    const target = sourceTargetOf([
      pieceOf({ gtid: `${A}:5` }, ROW),
      pieceOf({ offset: 20 }, flushOf('t')),
      pieceOf({ offset: 30 }, ROW),
    ]);
    expect(target).toMatchObject({
      known: { gtid: `${A}:5` },
      tables: [{ schema: 's', table: 't' }],
      unproven: { offset: 30 },
    });
  });

  it('is the last witness, and what comes after it', () => {
    const target = sourceTargetOf([
      pieceOf({ witness: () => witness('early') }, ROW),
      pieceOf({ offset: 10, witness: () => witness('late') }, ROW),
      pieceOf({ offset: 20 }, flushOf('t')),
      pieceOf({ offset: 30 }, ROW),
      pieceOf({ offset: 40, witness: () => undefined }, ROW),
      pieceOf({ offset: 50 }, flushOf('t'), flushOf('u')),
    ]);
    expect(target).toMatchObject({
      last: { offset: 50 },
      known: { witness: witness('late'), mark: { offset: 10 } },
      tables: [
        { schema: 's', table: 't' },
        { schema: 's', table: 'u' },
      ],
      unproven: { offset: 40 },
      untold: false,
    });
  });

  it('is not told by a position where all tables have to go', () => {
    expect(sourceTargetOf([pieceOf({ offset: 10 }, ALL)])).toMatchObject({
      known: undefined,
      unproven: { offset: 10 },
      untold: true,
    });
  });
});
