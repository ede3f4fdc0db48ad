import type { AmqpChannel, QueueArguments } from './amqp';

/** Where a message goes. */
export interface Route {
  readonly exchange: string;
  readonly key: string;
}

/** A refusal to declare a queue or an exchange; says which one. */
export class DeclareError extends Error {
  constructor(
    readonly what: string,
    cause: unknown,
  ) {
    super(`The ${what} cannot be declared (${cause instanceof Error ? cause.message : String(cause)})`, {
      cause,
    });
  }
}

/** The exchanges and queues that somebody's messages need. */
export interface Declarations {
  /**
   * Makes what is not there yet.
   *
   * @throws DeclareError when it is there in another form or may not be made
   */
  declare(channel: AmqpChannel): Promise<void>;
}

/** A quorum queue. */
export function quorum(args: QueueArguments['arguments']): QueueArguments {
  return { durable: true, arguments: { 'x-queue-type': 'quorum', ...args } };
}

/** What makes a queue hand what it gives up on over to another route, and not lose it on the way. */
export function deadLettering({ exchange, key }: Route): Record<string, string> {
  return {
    'x-dead-letter-exchange': exchange,
    'x-dead-letter-routing-key': key,
    'x-dead-letter-strategy': 'at-least-once',
    // What at-least-once asks for; there is no limit that would be hit.
    'x-overflow': 'reject-publish',
  };
}

/** Says in its error what could not be declared. @throws DeclareError */
export async function declared(what: string, declare: () => Promise<unknown>): Promise<void> {
  try {
    await declare();
  } catch (cause) {
    throw new DeclareError(what, cause);
  }
}
