import { setTimeout as sleep } from 'node:timers/promises';
import type { BinlogPosition } from '../../../lib';
import type { SqlServer } from '../../support/servers';
import type { App } from './app';

const POLL_MILLIS = 50;

/** Everything that was committed so far is applied, handlers included, and nothing waits for a retry. Throws after the time. */
export async function catchUp(app: App, timeoutMillis: number, parked: () => Promise<number>): Promise<void> {
  const deadline = Date.now() + timeoutMillis;
  for (;;) {
    try {
      await app.caughtUp(Math.max(1_000, deadline - Date.now()));
      const status = await app.status();
      if (status.pendingHandlers === 0 && (await parked()) === 0) return;
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
export async function checkpointed(app: App, sql: SqlServer, timeoutMillis: number): Promise<void> {
  const position = await sourcePosition(sql);
  const deadline = Date.now() + timeoutMillis;
  for (;;) {
    const { checkpoint } = await app.status();
    if (checkpoint && isAtOrAfter(checkpoint, position)) return;
    if (Date.now() > deadline) throw new Error(`No checkpoint reached ${position.file}:${position.offset}`);
    await sleep(POLL_MILLIS);
  }
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
