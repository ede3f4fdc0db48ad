import type { ParkedCommand, ParkedWork } from './parked-command';
import { decodeValue, encodeValue } from './lossless-json';

const KINDS: readonly unknown[] = [
  'set',
  'remove',
  'flush',
  'strategy',
  'handler',
] satisfies ParkedWork['kind'][];

/** The body of a message or of a dead letter. */
export function encodeCommand(command: ParkedCommand): string {
  return encodeValue(command);
}

/** @throws Error when it is no command; its message says nothing of the text */
export function decodeCommand(text: string): ParkedCommand {
  let value: unknown;
  try {
    value = decodeValue(text);
  } catch {
    throw new Error('It is no text of ours');
  }
  const command = value as Partial<ParkedCommand> | null | undefined;
  const { work, position } = command ?? {};
  const known =
    typeof command?.id === 'string' &&
    typeof command.attempts === 'number' &&
    typeof command.parkedAt === 'number' &&
    typeof command.reason === 'string' &&
    typeof position?.file === 'string' &&
    typeof position.offset === 'number' &&
    typeof work === 'object' &&
    KINDS.includes(work?.kind) &&
    (work.kind === 'handler' || typeof work.version === 'string');
  if (!known) throw new Error('It is no parked command');
  return value as ParkedCommand;
}
