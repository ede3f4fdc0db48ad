import type { Statement } from './row-statements';
import { xidSql } from './xid';
import type { Xid } from './xid';

export type XaDecision = 'COMMIT' | 'ROLLBACK';

/** An XA transaction that was begun. */
export interface Xa {
  readonly sql: string;
  readonly statements: readonly Statement[];
  /** Who has to see to it: its worker, the finisher when the time has come, or nobody any more. */
  holder: 'worker' | 'finisher' | 'nobody';
  /** Once it has been asked for; the binlog may have it even where no answer came. */
  decision: XaDecision | undefined;
  dueAt: number;
  tries: number;
}

/** All XA transactions of a run. A killed server may bring back even one whose end it had confirmed. */
export class XaBook {
  private readonly all = new Map<string, Xa>();
  /** Some worker or server died: there may be prepared ones that nobody holds. */
  mayHaveLost = false;

  private readonly held = new Set<Xa>();

  open(xid: Xid, statements: readonly Statement[], holder: Xa['holder'] = 'worker'): Xa {
    const sql = xidSql(xid);
    const xa: Xa = { sql, statements, holder, decision: undefined, dueAt: 0, tries: 0 };
    this.all.set(sql, xa);
    return xa;
  }

  find(xid: Xid): Xa | undefined {
    return this.all.get(xidSql(xid));
  }

  /** Those that the finisher has, the first due first. */
  get waiting(): Xa[] {
    return [...this.held].sort((a, b) => a.dueAt - b.dueAt);
  }

  /** Prepared, and left to be finished over another connection. */
  leave(xa: Xa, dueAt: number): void {
    xa.holder = 'finisher';
    xa.dueAt = dueAt;
    this.held.add(xa);
  }

  /** Finished, or gone with its connection. */
  letGo(xa: Xa): void {
    xa.holder = 'nobody';
    this.held.delete(xa);
  }
}
