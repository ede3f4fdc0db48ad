import { ChangeError } from './change.errors';

/** The auditor found a cached value that differs from its row, although no update was on its way to it. */
export class AuditFaultError extends ChangeError {
  readonly code = 'CACHEFLOW_AUDIT_FAULT';

  constructor(
    table: string,
    position: { readonly file: string; readonly offset: number },
    /** The key whose value is wrong. The message leaves it out, because it contains values of the row. */
    readonly key: string,
    /** The horizon of the check that found it, in milliseconds. See `audit.horizonsMillis`. */
    readonly horizonMillis: number,
    /** Whether the key was removed. */
    readonly repaired: boolean,
  ) {
    super(
      `A cached value differs from its row ${horizonMillis} ms or more after the row's change was applied; ` +
        (repaired ? 'its key was removed' : 'its key was left as it is (`audit.repair`)'),
      table,
      position,
    );
  }
}
