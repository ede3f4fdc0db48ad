import type { ChangeEvent } from '../lib';

/** The change's place in the binlog, which is the same for a change that arrives twice, and in every process. */
export function changeId({ position }: Pick<ChangeEvent, 'position'>): string {
  return `${position.file}:${position.offset}:${position.row}`;
}
