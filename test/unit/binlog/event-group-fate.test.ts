import { describe, expect, it } from 'vitest';
import { EventType, readHeader } from '../../../lib/decode/event-header';
import type { EventGroupFate } from '../../../lib/binlog/event-groups/event-group-fate';
import { FateScan } from '../../../lib/binlog/event-groups/event-group-fate';
import { TransactionAssembler } from '../../../lib/binlog/event-groups/transaction-assembler';
import type { RowChange, TransactionPiece } from '../../../lib/change/stream';

const ROWS = 30;

function event(type: number, body = Buffer.alloc(0)): Buffer {
  const buffer = Buffer.alloc(19 + body.length);
  buffer[4] = type;
  buffer.writeUInt32LE(buffer.length, 9);
  body.copy(buffer, 19);
  return buffer;
}

function query(text: string): Buffer {
  // No schema, no status variables.
  return event(EventType.QUERY, Buffer.concat([Buffer.alloc(13), Buffer.from(`\0${text}`)]));
}

const GTID = event(EventType.MARIADB_GTID, Buffer.alloc(13));
const ROW = event(ROWS);
const XID = event(EventType.XID);

function fateOf(events: readonly Buffer[]): EventGroupFate | undefined {
  const scan = new FateScan();
  let fate: EventGroupFate | undefined;
  for (const buffer of events) fate ??= scan.see(buffer, readHeader(buffer, 0, buffer.length, false));
  return fate;
}

describe('the fate of a group', () => {
  it.each<[string, Buffer[], string | undefined]>([
    ['a commit', [GTID, ROW, XID], 'committed'],
    ['a commit without an engine', [GTID, ROW, query('COMMIT')], 'committed'],
    ['a rollback', [GTID, ROW, query('ROLLBACK')], 'rolled-back'],
    ['no end yet', [GTID, ROW, query('SAVEPOINT `s`')], undefined],
    ['the next group', [GTID, ROW, GTID], 'unfinished'],
    ['the next file', [GTID, ROW, event(EventType.ROTATE)], 'unfinished'],
    [
      'the file that introduces itself',
      [event(EventType.ROTATE), event(EventType.FORMAT_DESCRIPTION), GTID, ROW, XID],
      'committed',
    ],
    [
      'a prepare',
      [
        query("XA START X'61',X'',1"),
        ROW,
        event(EventType.XA_PREPARE, Buffer.from('0001000000010000000000000061', 'hex')),
      ],
      'prepared',
    ],
    [
      'a prepare that commits',
      [
        query("XA START X'61',X'',1"),
        ROW,
        event(EventType.XA_PREPARE, Buffer.from('0101000000010000000000000061', 'hex')),
      ],
      'committed',
    ],
  ])('%s', (_name, events, end) => {
    expect(fateOf(events)?.end).toBe(end);
  });

  it('says that nobody can tell where to a rollback goes', () => {
    const fate = fateOf([GTID, ROW, ROW, query('ROLLBACK TO `x`'), ROW, XID]);
    expect(fate?.unclearBefore).toBe(2);
  });

  // Savepoints of three names are set and gone back to at random: what is held back until the end, and what is looked
  // ahead for at any moment, come to the rows that a database would have kept.
  it.each(Array.from({ length: 200 }, (_, seed) => seed))(
    'is what a database makes of it (seed %i)',
    (seed) => {
      const random = randomOf(seed);
      let kept: number[] = [];
      const set = new Map<string, number[]>();
      const steps: { event: Buffer; row?: number; savepoint?: string; back?: string }[] = [];
      let rows = 0;
      for (let step = 0; step < 40; step++) {
        const name = 'abc'.charAt(Math.floor(random() * 3));
        const dice = random();
        if (dice < 0.6) {
          kept.push(rows);
          steps.push({ event: ROW, row: rows++ });
        } else if (dice < 0.8) {
          // The last one of a name counts, and comes after those that were set before it.
          set.delete(name);
          set.set(name, [...kept]);
          steps.push({ event: query(`SAVEPOINT \`${name}\``), savepoint: name });
        } else if (set.has(name)) {
          kept = [...(set.get(name) ?? [])];
          const names = [...set.keys()];
          for (const later of names.slice(names.indexOf(name) + 1)) set.delete(later);
          steps.push({ event: query(`ROLLBACK TO \`${name}\``), back: name });
        }
      }
      const fate = fateOf([GTID, ...steps.map((each) => each.event), XID]);
      const lookAt = Math.floor(random() * steps.length);
      for (const looksAhead of [false, true]) {
        const pieces: TransactionPiece[] = [];
        const transaction = new TransactionAssembler(
          (piece) => pieces.push(piece),
          () => ({ file: 'f.1', offset: 4 }),
          () => undefined,
        );
        transaction.begin(4, undefined);
        for (const [at, { row, savepoint, back }] of steps.entries()) {
          if (savepoint !== undefined) transaction.savepoint(savepoint);
          if (back !== undefined) expect(transaction.rollbackTo(back)).toBe(true);
          if (row !== undefined && transaction.startRowEvent())
            transaction.add({ kind: 'row', after: { row } } as unknown as RowChange);
          if (looksAhead && at === lookAt && fate) transaction.settle(fate);
        }
        transaction.end({ file: 'f.1', offset: 100 });
        const given = pieces.flatMap(({ items }) =>
          items.map((item) => item.kind === 'row' && item.after?.['row']),
        );
        expect(given).toEqual(kept);
      }
    },
  );
});

/** mulberry32. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
