import type { HandlerOptions } from '../options/cacheflow.options';
import type { OptionCheck } from './option-check';
import { isObject } from './option-check';
import { resolveGroup } from './option-group';
import type { ResolvedRetryOptions } from './resolve-retry';

export type ResolvedHandlerOptions = Required<HandlerOptions>;

const HANDLER_NAMES: Record<keyof HandlerOptions, true> = {
  queueSize: true,
  concurrency: true,
  maxAttempts: true,
  backoffMillis: true,
  distribute: true,
  partitions: true,
  envelope: true,
};

// Twelve can be shared evenly by 1, 2, 3, 4, 6 and 12 processes.
const NUMBERS = { queueSize: 1_000, concurrency: 16, maxAttempts: 3, backoffMillis: 500, partitions: 12 };
const ENVELOPES = ['cacheflow', 'debezium'] as const;
/** Each is a quorum queue, and a channel of each process. */
const MOST_PARTITIONS = 256;

/** How the `@OnBinlog` handlers are called, and where. */
export function resolveHandlers(
  check: OptionCheck,
  given: unknown,
  retry: ResolvedRetryOptions,
  election: string,
): ResolvedHandlerOptions {
  if (!isObject(given)) {
    const numbers = resolveGroup(check, 'handlers', given, NUMBERS);
    return { ...numbers, distribute: false, envelope: ENVELOPES[0] };
  }
  check.names('handlers', given, HANDLER_NAMES);
  const { distribute, envelope, queueSize, concurrency, maxAttempts, backoffMillis, partitions } = given;
  const numbers = { queueSize, concurrency, maxAttempts, backoffMillis, partitions };
  const resolved = resolveGroup(check, 'handlers', numbers, NUMBERS);
  if (resolved.partitions > MOST_PARTITIONS) {
    check.fault('handlers.partitions', 'there are too many', `Use at most ${MOST_PARTITIONS}`);
  }
  if (distribute !== undefined && typeof distribute !== 'boolean') {
    check.fault('handlers.distribute', 'it is neither true nor false', 'Use one of them or leave it out');
  }
  if (distribute === true && !retry.mq) {
    check.fault(
      'handlers.distribute',
      'the calls travel through RabbitMQ, and `retry` has no `mq` that is used',
      "Set `retry.mq.url`, e.g. 'amqp://127.0.0.1:5672/', and do not set `retry.enable` to false; or leave `distribute` out",
    );
  }
  if (distribute === true && election === 'none') {
    check.fault(
      'handlers.distribute',
      "with `election: 'none'`, each process publishes every change, and the handlers are called once for each",
      "Leave `election` out or set it to 'redis', or leave `distribute` out",
    );
  }
  return {
    ...resolved,
    distribute: distribute === true,
    envelope: check.oneOf('handlers.envelope', envelope, [...ENVELOPES]),
  };
}
