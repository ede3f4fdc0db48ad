import { setTimeout as sleep } from 'node:timers/promises';
import type { BinlogPosition } from '../../../lib';
import type { SqlServer } from '../../support/servers';
import { SqlPair } from './sql-pair';

const POLL_MILLIS = 50;

/** One process of the app, or all of them. */
export interface Settling {
  caughtUp(timeoutMillis: number): Promise<void>;
  /** Handler calls that wait or run. */
  pendingHandlers(): Promise<number>;
  /** The last one that was saved. */
  checkpoint(): Promise<BinlogPosition | undefined>;
}

/** Everything that was committed so far is applied, handlers included, and nothing waits for a retry. Throws after the time. */
export async function catchUp(
  app: Settling,
  timeoutMillis: number,
  parked: () => Promise<number>,
): Promise<void> {
  const deadline = Date.now() + timeoutMillis;
  for (;;) {
    try {
      await app.caughtUp(Math.max(1_000, deadline - Date.now()));
      if ((await app.pendingHandlers()) === 0 && (await parked()) === 0) return;
      if (Date.now() > deadline) throw new Error('Retries or handlers are still pending');
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
    await sleep(POLL_MILLIS);
  }
}

/**
 * A checkpoint has been saved that covers everything committed before the call. Says more than `catchUp` after Redis
 * lost data: the app has seen it by then.
 */
export async function checkpointed(app: Settling, sql: SqlServer, timeoutMillis: number): Promise<void> {
  const isReached = sql instanceof SqlPair ? await gtidsReached(sql) : await positionReached(sql);
  const deadline = Date.now() + timeoutMillis;
  for (;;) {
    const checkpoint = await app.checkpoint();
    if (checkpoint && (await isReached(checkpoint))) return;
    if (Date.now() > deadline) throw new Error('No checkpoint reached what was committed');
    await sleep(POLL_MILLIS);
  }
}

type IsReached = (checkpoint: BinlogPosition) => boolean | Promise<boolean>;

async function positionReached(sql: SqlServer): Promise<IsReached> {
  const position = await sourcePosition(sql);
  return (checkpoint) => isAtOrAfter(checkpoint, position);
}

/** Files and offsets are others after a failover. */
async function gtidsReached(sql: SqlPair): Promise<IsReached> {
  const gtids = await sql.gtids();
  return ({ gtidSet }) => gtidSet !== undefined && sql.includes(gtidSet, gtids);
}

async function sourcePosition(sql: SqlServer): Promise<{ file: string; offset: number }> {
  const statement = sql.kind === 'mysql' ? 'SHOW BINARY LOG STATUS' : 'SHOW MASTER STATUS';
  const [row] = await sql.query<{ File: string; Position: number }>(statement);
  if (!row) throw new Error('The server writes no binlog');
  return { file: row.File, offset: Number(row.Position) };
}

function isAtOrAfter(
  one: Pick<BinlogPosition, 'file' | 'offset'>,
  other: { file: string; offset: number },
): boolean {
  const [file, otherFile] = [numberOf(one.file), numberOf(other.file)];
  return file > otherFile || (file === otherFile && one.offset >= other.offset);
}

function numberOf(file: string): number {
  return Number(/\d+$/.exec(file)?.[0] ?? 0);
}
