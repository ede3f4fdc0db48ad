import { randomUUID } from 'node:crypto';
import { createHash } from 'node:crypto';
import { formatPosition } from '../../change/position';
import { decodeCommand, encodeCommand } from '../command-codec';
import type { DeadLetter } from '../dead-letters';
import { toDeadLetter } from '../describe-command';
import type { ParkedCommand } from '../parked-command';
import type { AmqpMessage } from '../../rabbitmq/amqp';
import type { Outgoing } from '../../rabbitmq/confirmed-channel';
import type { Route } from '../../rabbitmq/declarations';

/** A message for a command. `expiration` in milliseconds. */
export function commandMessage(
  source: string,
  command: ParkedCommand,
  route: Route,
  more: { expiration?: number; deadAt?: number } = {},
): Outgoing {
  const { expiration, deadAt } = more;
  return {
    route,
    content: Buffer.from(encodeCommand(command)),
    options: {
      persistent: true,
      mandatory: true,
      messageId: command.id,
      contentType: 'application/json',
      timestamp: Math.floor(Date.now() / 1_000),
      headers: {
        source,
        kind: command.work.kind,
        attempts: command.attempts,
        reason: command.reason,
        position: formatPosition(command.position),
        ...(command.table === undefined ? {} : { table: command.table }),
        ...(deadAt === undefined ? {} : { deadAt }),
      },
      ...(expiration === undefined ? {} : { expiration: String(expiration) }),
    },
  };
}

/** A message that is none of ours, or of another source, with its body as it was. */
export function rawMessage(message: AmqpMessage, route: Route, reason: string): Outgoing {
  return {
    route,
    content: message.content,
    options: {
      persistent: true,
      mandatory: true,
      messageId: textOf(message.properties.messageId) ?? randomUUID(),
      contentType: 'application/octet-stream',
      timestamp: Math.floor(Date.now() / 1_000),
      headers: { reason, deadAt: Date.now() },
    },
  };
}

/** The name of the source that a message comes from. */
export function sourceOf(message: AmqpMessage): string | undefined {
  return textOf(message.properties.headers?.['source']);
}

/** The command in a message; undefined when it is none of ours. */
export function commandOf(message: AmqpMessage): ParkedCommand | undefined {
  try {
    return decodeCommand(message.content.toString());
  } catch {
    return undefined;
  }
}

/** What stands in the dead-letter queue. */
export function deadLetterOf(message: AmqpMessage): DeadLetter {
  const headers = message.properties.headers ?? {};
  const command = commandOf(message);
  const { deadAt: time } = headers;
  const deadAt = new Date(typeof time === 'number' ? time : (timeOfDeath(headers) ?? Date.now()));
  if (command) {
    // By the broker itself, which leaves the reason before in its header.
    const undelivered = headers['x-first-death-reason'] === 'delivery_limit';
    return toDeadLetter(undelivered ? { ...command, reason: 'delivered too often' } : command, deadAt);
  }
  return {
    id: deadLetterId(message),
    kind: 'unreadable',
    position: undefined,
    reason: textOf(headers['reason']) ?? 'unreadable',
    attempts: 0,
    parkedAt: deadAt,
    deadAt,
  };
}

/** The same each time the message is looked at. */
export function deadLetterId(message: AmqpMessage): string {
  return (
    commandOf(message)?.id ??
    textOf(message.properties.messageId) ??
    createHash('sha256').update(message.content).digest('hex').slice(0, 32)
  );
}

/** From the header that the broker writes when it moves a message. */
function timeOfDeath(headers: Readonly<Record<string, unknown>>): number | undefined {
  const [last] = (headers['x-death'] ?? []) as { time?: { '!': string; value?: number } }[];
  return last?.time?.value === undefined ? undefined : last.time.value * 1_000;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
