import { DeadLetterError } from '../errors/retry.errors';
import type { DeadLetter } from './dead-letters';
import type { ParkedCommand, ParkedWork } from './parked-command';

/** What a person is shown of a command that was given up on. */
export function toDeadLetter(command: ParkedCommand, deadAt: Date): DeadLetter {
  const { id, work, table, position, reason, attempts, parkedAt } = command;
  return {
    id,
    kind: work.kind,
    ...('key' in work ? { key: work.key } : {}),
    ...(table === undefined ? {} : { table }),
    ...(work.kind === 'handler' ? { handler: work.handler } : {}),
    position,
    reason,
    attempts,
    parkedAt: new Date(parkedAt),
    deadAt,
  };
}

const NAMES = {
  set: 'A value',
  remove: 'A removal',
  flush: "The removal of a table's keys",
  strategy: 'A call of a custom strategy',
  handler: 'A call of the handler',
};

function nameOf(work: ParkedWork): string {
  return work.kind === 'handler' ? `${NAMES.handler} ${work.handler}` : NAMES[work.kind];
}

/** Tells that a command was given up on. `kept` tells where it went. */
export function deadLetterError(command: ParkedCommand, kept: string): DeadLetterError {
  const { id, work, attempts, reason, table, position } = command;
  const times = `${attempts} attempt${attempts === 1 ? '' : 's'}`;
  return new DeadLetterError(
    `${nameOf(work)} was given up after ${times} (${reason}); ${kept}: ${id}`,
    table,
    position,
  );
}
