import { CacheflowError } from './cacheflow.error';
import { ChangeError } from './change.errors';

/** A command or a handler call was given up and put aside for a person; see `CacheflowService.deadLetters`. */
export class DeadLetterError extends ChangeError {
  readonly code = 'CACHEFLOW_DEAD_LETTER';
}

/** RabbitMQ is away or does not take messages; what has to be parked is held until it does. */
export class RetryUnavailableError extends CacheflowError {
  readonly code = 'CACHEFLOW_RETRY_UNAVAILABLE';
}
