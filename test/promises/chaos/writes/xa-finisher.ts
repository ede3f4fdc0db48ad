import { setTimeout as sleep } from 'node:timers/promises';
import { Crew } from '../crew';
import type { Random } from '../random';
import { SqlSession, isConnectionError } from '../sql-session';
import { heat, isExpected, record, rowsOf } from './transaction';
import type { WriterTools } from './writer';
import type { Xa, XaBook, XaDecision } from './xa-book';
import { preparedXids } from './xid';

const IDLE_MILLIS = 3;
const RETRY_MILLIS = 25;
/** MariaDB knows a prepared one again once its connection is gone, which its client cannot see. */
const MAX_TRIES = 80;
const SETTLE_MILLIS = 60_000;

/** Finishes prepared XA transactions over a connection of its own: those that were left to it, and the leftovers. */
export class XaFinisher {
  private readonly session: SqlSession;
  private readonly crew = new Crew(1, () => this.step());
  private readonly random: Random;
  private isStarted = false;
  /** Prepared ones whose connection or server has died. */
  private readonly leftBehind = new Set<Xa>();

  constructor(
    private readonly tools: WriterTools,
    private readonly book: XaBook,
  ) {
    this.session = new SqlSession(tools.server);
    this.random = tools.random.fork();
  }

  /** Goes on, or begins. */
  resume(): void {
    if (this.isStarted) this.crew.resume();
    else this.crew.start();
    this.isStarted = true;
  }

  /** Finishes everything at once and stands still. */
  async settle(): Promise<void> {
    await this.crew.pause();
    this.book.mayHaveLost = true;
    const deadline = Date.now() + SETTLE_MILLIS;
    while (this.book.mayHaveLost || this.book.waiting.length > 0) {
      if (Date.now() > deadline) throw new Error('Prepared XA transactions cannot be finished');
      for (const xa of this.book.waiting) xa.dueAt = 0;
      await this.step();
    }
  }

  async stop(): Promise<void> {
    await this.crew.stop();
    this.session.close();
  }

  private async step(): Promise<void> {
    try {
      if (this.book.mayHaveLost) await this.sweep();
      const [next] = this.book.waiting;
      if (next && next.dueAt <= Date.now()) await this.finish(next);
      else await sleep(IDLE_MILLIS);
    } catch (error) {
      if (!isConnectionError(error)) throw error;
      this.session.close();
      this.book.mayHaveLost = true;
      for (const xa of this.book.waiting) this.leftBehind.add(xa);
      await sleep(RETRY_MILLIS);
    }
  }

  private async finish(xa: Xa): Promise<void> {
    heat(this.tools.journal, xa.statements);
    const answer = await this.ask(xa);
    xa.tries++;
    if (answer === 'not now' && xa.tries < MAX_TRIES) xa.dueAt = Date.now() + RETRY_MILLIS;
    else this.book.letGo(xa);
    // One that nobody knows may have been finished by a try whose answer never came.
    if (answer === 'not now' && xa.tries >= MAX_TRIES) this.book.mayHaveLost = true;
  }

  /** Finishes what is prepared and nobody holds, as it was decided or, where nothing was, either way. */
  private async sweep(): Promise<void> {
    this.book.mayHaveLost = false;
    for (const xid of await preparedXids(this.session, this.tools.server.kind)) {
      const xa = this.book.find(xid) ?? this.book.open(xid, [], 'nobody');
      if (xa.holder !== 'nobody') continue;
      this.leftBehind.add(xa);
      if ((await this.ask(xa)) === 'not now') this.book.mayHaveLost = true;
    }
  }

  private async ask(xa: Xa): Promise<'done' | 'not now'> {
    xa.decision ??= this.random.pick<XaDecision>(['COMMIT', 'COMMIT', 'ROLLBACK']);
    try {
      await this.session.query(`XA ${xa.decision} ${xa.sql}`);
    } catch (error) {
      const { code } = error as { code?: string };
      // Nothing was changed in it.
      if (code === 'ER_XA_RBROLLBACK') return 'done';
      if (code === 'ER_XAER_NOTA' || isExpected(error)) return 'not now';
      throw error;
    }
    this.done(xa, xa.decision);
    return 'done';
  }

  private done(xa: Xa, decision: XaDecision): void {
    const { journal, counts } = this.tools;
    const { statements } = xa;
    if (this.leftBehind.delete(xa)) counts.xaLeftBehind++;
    heat(journal, statements);
    record(journal, statements, `XA ${decision} by another connection`);
    if (decision === 'COMMIT') {
      counts.xaCommits++;
      counts.transactions++;
      counts.rows += rowsOf(statements);
    } else {
      counts.xaRollbacks++;
      counts.rollbacks++;
    }
  }
}
