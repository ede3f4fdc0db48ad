import { messageOf } from '../errors/cacheflow.error';
import type { ConfigurationFault } from '../errors/configuration.error';
import type { ErrorReporter } from '../errors/error-reporter';
import { RetryUnavailableError } from '../errors/retry.errors';
import { untilAborted, withDeadline } from '../support/abort';
import type { AmqpSession } from './amqp';
import type { BrokerConnection } from './broker-connection';
import { brokerFault, redacted } from './broker-faults';
import type { Declarations } from './declarations';

/** How long the start waits for a broker; one that is away is waited for afterwards. */
const CHECK_TIMEOUT_MILLIS = 10_000;

/** Declares what is needed on a channel that is closed afterwards. @throws DeclareError */
export async function declareOn(session: AmqpSession, declarations: Declarations): Promise<void> {
  const channel = await session.createChannel();
  // What goes wrong is told by what rejects.
  channel.on('error', () => undefined);
  await declarations.declare(channel);
  await channel.close();
}

/**
 * Opens the connection, tries what is needed of it, and says what is wrong. A broker that is away is no fault: it is
 * told, and waited for.
 */
export async function checkBroker(
  connection: BrokerConnection,
  urls: readonly string[],
  errors: ErrorReporter,
  attempt: (session: AmqpSession, signal: AbortSignal) => Promise<readonly ConfigurationFault[]>,
): Promise<readonly ConfigurationFault[]> {
  const run = async (signal: AbortSignal): Promise<readonly ConfigurationFault[]> => {
    await connection.open();
    const failure = await connection.firstOutcome(signal);
    if (failure !== undefined) throw failure;
    return attempt(await connection.ready(signal), signal);
  };
  try {
    return await withDeadline(CHECK_TIMEOUT_MILLIS, new AbortController().signal, (signal) =>
      untilAborted(run(signal), signal),
    );
  } catch (error) {
    const fault = brokerFault(error, urls);
    if (fault) return [fault];
    errors.report(
      new RetryUnavailableError(
        `RabbitMQ cannot be used yet (${redacted(messageOf(error), urls)}); the app starts without it, and it is waited for`,
        { cause: error },
      ),
    );
    return [];
  }
}
