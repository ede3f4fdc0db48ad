import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';

/** This process as a member of one group. */
export interface Member {
  readonly id: string;
  readonly host: string;
  readonly pid: number;
  /** When it joined, in milliseconds since 1970. */
  readonly since: number;
}

/** Containers have the same pids, and two sources of an app the same process. */
export function thisMember(): Member {
  const host = hostname();
  const id = `${host}:${process.pid}:${randomBytes(4).toString('hex')}`;
  return { id, host, pid: process.pid, since: Date.now() };
}
