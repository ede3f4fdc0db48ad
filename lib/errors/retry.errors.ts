import { CacheflowError } from './cacheflow.error';
import { ChangeError } from './change.errors';

/** The library gave up on a command or a call, and a person has to decide. See `CacheflowService.deadLetters`. */
export class DeadLetterError extends ChangeError {
  readonly code = 'CACHEFLOW_DEAD_LETTER';
}

/** RabbitMQ is away or does not accept messages. Work that has to be parked holds the tail until it does. */
export class RetryUnavailableError extends CacheflowError {
  readonly code = 'CACHEFLOW_RETRY_UNAVAILABLE';
}
