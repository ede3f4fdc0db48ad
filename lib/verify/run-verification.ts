import { SourceRows } from '../rows/source-rows';
import type { RedisSource } from '../options/cacheflow.options';
import { messageOf } from '../errors/cacheflow.error';
import { CacheflowConfigurationError } from '../errors/configuration.error';
import type { RedisClient } from '../redis/redis-client';
import { isRedisClient } from '../config/is-redis-client';
import { createRedisClient } from '../redis/redis-client';
import { untilAborted, withDeadline } from '../support/abort';
import type { VerifyContext } from './verifier';
import { Verifier } from './verifier';
import type { VerifySummary } from './verify-report';

/** What is to be verified, and how. */
export type VerifyRequest = Pick<VerifyContext, 'config' | 'name' | 'listener' | 'batch' | 'repair'>;

const CONNECT_TIMEOUT_MILLIS = 10_000;
/** Commands wait while Redis is away; after this long the verification is given up. */
const AWAY_MILLIS = 30_000;

/**
 * Connects to the source and to Redis, verifies, and closes both: a client that the options hold as well, because it
 * was made for this process. Rejects when either is away or fails, and with the signal's reason.
 *
 * @throws CacheflowConfigurationError when the options name no Redis that can be reached from here
 */
export async function runVerification(request: VerifyRequest, signal: AbortSignal): Promise<VerifySummary> {
  const client = clientOf(request.config.redis, request.name);
  const redis = new RedisWatch(client);
  let source: SourceRows | undefined;
  const onAbort = (): void => redis.lost.abort(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await withDeadline(CONNECT_TIMEOUT_MILLIS, signal, (deadline) =>
      untilAborted(client.ping(), deadline).catch((cause: unknown) => {
        throw new Error(`Redis cannot be reached (${messageOf(redis.error ?? cause)})`, { cause });
      }),
    );
    source = await SourceRows.open(request.config.mysql, signal).catch((cause: unknown) => {
      throw new Error(`the source cannot be reached (${messageOf(cause)})`, { cause });
    });
    const ending = redis.lost.signal;
    const verifier = new Verifier({ ...request, source, client, signal: ending });
    return await untilAborted(verifier.run(), ending);
  } finally {
    signal.removeEventListener('abort', onAbort);
    source?.close();
    redis.end();
    client.disconnect();
  }
}

/** Notices that Redis stays away. */
class RedisWatch {
  readonly lost = new AbortController();
  /** The latest of the connection. */
  error: unknown;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly client: RedisClient) {
    client.on('error', this.onError).on('close', this.onClose).on('ready', this.onReady);
  }

  end(): void {
    clearTimeout(this.timer);
    this.client.off('close', this.onClose).off('ready', this.onReady);
  }

  private readonly onError = (error: unknown): void => {
    this.error = error;
  };
  private readonly onClose = (): void => {
    this.timer ??= setTimeout(() => {
      this.lost.abort(new Error(`Redis went away (${messageOf(this.error ?? 'it hung up')})`));
    }, AWAY_MILLIS);
  };
  private readonly onReady = (): void => {
    clearTimeout(this.timer);
    this.timer = undefined;
  };
}

function clientOf(source: RedisSource, name: string): RedisClient {
  if (isRedisClient(source)) return source;
  if (typeof source === 'object' && 'namespace' in source) {
    const fault = {
      subject: 'redis.namespace',
      problem: 'there is no app here whose clients have namespaces',
      fix: 'Export connection options, a URL or a client from the config file',
    };
    throw new CacheflowConfigurationError(name, [fault]);
  }
  return createRedisClient(source);
}
