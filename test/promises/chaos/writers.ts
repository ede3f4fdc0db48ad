import { setTimeout as sleep } from 'node:timers/promises';
import type { SqlServer } from '../../support/servers';
import { Crew } from './crew';
import type { Journal } from './journal';
import type { Random } from './random';
import { SqlSession, isConnectionError } from './sql-session';
import { DB, TABLES } from './tables';
import type { WriteName } from './writes';
import { WRITES, writesOn } from './writes';
import { FragileWrites } from './writes/fragile-writes';
import { PlainWriter } from './writes/plain-writer';
import { RowStatements } from './writes/row-statements';
import { WriteCounts } from './writes/write-counts';
import type { Worker, Writer } from './writes/writer';

/** Rows of a table that are changed at a time; those before them keep their last state and are checked at the end. */
const WINDOW = 50;
/** How fast the window moves. */
const ROWS_PER_SECOND = 5;
const RECONNECT_MILLIS = 100;

/** What the writers need to know. */
export interface WriterPlan {
  readonly server: SqlServer;
  readonly journal: Journal;
  readonly random: Random;
  readonly writers: number;
  /** Row changes a second that are aimed at, over all writers. */
  readonly rate: number;
  /** Truncate a table now and then. */
  readonly truncate: boolean;
  /** What is written besides plain transactions. */
  readonly writes: readonly WriteName[];
}

/** Changes rows in every way that a binlog knows, over several connections. */
export class Writers {
  private readonly crew: Crew;
  private readonly workers: Worker[];
  private readonly plain: Writer;
  private readonly others: { readonly share: number; readonly writer: Writer }[];
  private writtenMillis = 0;
  private resumedAt: number | undefined;
  readonly counts = new WriteCounts();
  private readonly fragile = new FragileWrites();

  constructor(private readonly plan: WriterPlan) {
    const { server, journal, random, truncate } = plan;
    this.workers = Array.from({ length: plan.writers }, (_, number) => ({
      number,
      session: new SqlSession(server),
      random: random.fork(),
    }));
    const rows = new RowStatements(journal, () => this.window);
    const tools = { server, random, rows, journal, counts: this.counts, fragile: this.fragile };
    this.plain = new PlainWriter(tools, truncate);
    this.others = writesOn(server.kind, plan.writes).map((name) => {
      const { share, make } = WRITES[name];
      return { share, writer: make(tools, truncate) };
    });
    this.crew = new Crew(plan.writers, (worker) => this.step(this.workers[worker]!));
  }

  start(): void {
    this.resumedAt = Date.now();
    for (const { writer } of this.others) writer.resume?.();
    this.crew.start();
  }

  /** Resolves when nobody writes and nothing is left open. */
  async pause(): Promise<void> {
    await this.crew.pause();
    for (const { writer } of this.others) await writer.settle?.();
    if (this.resumedAt !== undefined) this.writtenMillis += Date.now() - this.resumedAt;
    this.resumedAt = undefined;
  }

  resume(): void {
    this.resumedAt ??= Date.now();
    for (const { writer } of this.others) writer.resume?.();
    this.crew.resume();
  }

  /** Does this while nothing is written that a killed server could have half. */
  async withoutFragile(work: () => Promise<void>): Promise<void> {
    await this.fragile.without(async () => {
      const tables = TABLES.filter(({ writtenBy }) => writtenBy === 'loose').map(({ name }) => name);
      // What MyISAM has not written out yet goes with the process.
      await this.plan.server.query(
        `FLUSH LOCAL TABLES ${[...tables, 'ledger_loose', 'deletion_loose'].map((name) => `${DB}.${name}`).join()}`,
      );
      await work();
    });
  }

  /** Does this while nobody writes and nothing is left open. */
  async without(work: () => Promise<void>): Promise<void> {
    await this.pause();
    try {
      await this.withoutFragile(work);
    } finally {
      this.resume();
    }
  }

  async stop(): Promise<void> {
    // Others may wait for what these hold.
    await this.crew.stop();
    await Promise.all(this.others.map(({ writer }) => writer.stop?.()));
    for (const { session } of this.workers) session.close();
  }

  /** The rows that are being changed: the first one, and how many. */
  get window(): { first: number; size: number } {
    const millis = this.writtenMillis + (this.resumedAt === undefined ? 0 : Date.now() - this.resumedAt);
    return { first: 1 + Math.floor((millis / 1_000) * ROWS_PER_SECOND), size: WINDOW };
  }

  private async step(worker: Worker): Promise<void> {
    const started = performance.now();
    let rows = 0;
    try {
      rows = await this.writerFor(worker).write(worker);
    } catch (error) {
      if (!isConnectionError(error)) throw error;
      worker.session.close();
      await sleep(RECONNECT_MILLIS);
    }
    const share = (rows * 1_000 * this.plan.writers) / this.plan.rate;
    const ahead = share - (performance.now() - started);
    if (ahead > 1) await sleep(ahead);
  }

  private writerFor({ random }: Worker): Writer {
    const due = this.others.find(({ writer }) => writer.isDue);
    if (due) return due.writer;
    let at = random.next();
    for (const { share, writer } of this.others) if ((at -= share) < 0) return writer;
    return this.plain;
  }
}
