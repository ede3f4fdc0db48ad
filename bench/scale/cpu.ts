import { readFileSync } from 'node:fs';

/** Linux counts in hundredths of a second, whatever its own clock does (USER_HZ). */
const MICROS_PER_TICK = 10_000;
/** Of the fields after the name of the command, which may contain spaces: utime and stime of proc(5). */
const [UTIME, STIME] = [11, 12];

/** Processor time that processes have taken so far, all their threads together. Linux only. */
export function cpuMicrosOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + microsOf(pid), 0);
}

function microsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[UTIME]) + Number(fields[STIME])) * MICROS_PER_TICK;
}
