import { unquoteName } from '../../mysql/sql-text';
import type { Xid } from './xid';
import { xidOfStatement } from './xid';

/** A statement that begins, ends or parts an event group. The servers write most of them themselves. */
export type EventGroupStatement =
  | { readonly kind: 'begin' | 'commit' | 'rollback' | 'xa-end' }
  | { readonly kind: 'savepoint' | 'rollback-to'; readonly name: string }
  /** Without an xid it is written in a form that is not known. */
  | { readonly kind: 'xa-start' | 'xa-commit' | 'xa-rollback'; readonly xid: Xid | undefined };

const BEGIN: EventGroupStatement = { kind: 'begin' };
const COMMIT: EventGroupStatement = { kind: 'commit' };
const ROLLBACK: EventGroupStatement = { kind: 'rollback' };
const XA_END: EventGroupStatement = { kind: 'xa-end' };

/** Old servers write down what the user typed. */
const ROLLS_BACK = /^ROLLBACK(?:\s+WORK)?\s*;?$/i;
const COMMITS = /^COMMIT(?:\s+WORK)?\s*;?$/i;
const SAVEPOINT = /^SAVEPOINT\s+([^]+)$/i;
const ROLLBACK_TO = /^ROLLBACK\s+(?:WORK\s+)?TO\s+(?:SAVEPOINT\s+)?([^]+)$/i;
const XA = /^XA\s+(START|BEGIN|END|COMMIT|ROLLBACK)\b/i;

/** Undefined for a statement of any other kind. */
export function readEventGroupStatement(statement: string): EventGroupStatement | undefined {
  switch (statement) {
    case 'BEGIN':
      return BEGIN;
    case 'COMMIT':
      return COMMIT;
    case 'ROLLBACK':
      return ROLLBACK;
  }
  switch (statement.charAt(0).toUpperCase()) {
    case 'B':
      return /^BEGIN(?:\s+WORK)?\s*;?$/i.test(statement) ? BEGIN : undefined;
    case 'C':
      return COMMITS.test(statement) ? COMMIT : undefined;
    case 'R': {
      if (ROLLS_BACK.test(statement)) return ROLLBACK;
      const name = ROLLBACK_TO.exec(statement)?.[1];
      return name === undefined ? undefined : { kind: 'rollback-to', name: savepointName(name) };
    }
    case 'S': {
      const name = SAVEPOINT.exec(statement)?.[1];
      return name === undefined ? undefined : { kind: 'savepoint', name: savepointName(name) };
    }
    case 'X':
      return readXa(statement);
    default:
      return undefined;
  }
}

function readXa(statement: string): EventGroupStatement | undefined {
  const verb = XA.exec(statement)?.[1]?.toUpperCase();
  switch (verb) {
    case 'END':
      return XA_END;
    case 'START':
    case 'BEGIN':
      return { kind: 'xa-start', xid: xidOfStatement(statement) };
    case 'COMMIT':
      return { kind: 'xa-commit', xid: xidOfStatement(statement) };
    case 'ROLLBACK':
      return { kind: 'xa-rollback', xid: xidOfStatement(statement) };
    default:
      return undefined;
  }
}

function savepointName(text: string): string {
  return unquoteName(text.trim().replace(/;$/, ''));
}
