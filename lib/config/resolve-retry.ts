import type { RetryBrokerOptions, RetryOptions } from '../options/cacheflow.options';
import type { OptionCheck } from './option-check';
import { isObject } from './option-check';
import { resolveGroup } from './option-group';

/** What timers and TTLs of queues can count. */
const LONGEST_MILLIS = 2 ** 31 - 1;
/** RabbitMQ's limit is 255 bytes; `.wait.<millis>` and the like are appended. */
const LONGEST_NAME_BYTES = 200;

/** The options of `retry` with their defaults; the names in `mq` that were left out depend on the source's name. */
export interface ResolvedRetryOptions {
  readonly maxAttempts: number;
  readonly backoffMillis: number;
  readonly maxBackoffMillis: number;
  /** Undefined: commands are tried again in place. */
  readonly mq: (Omit<RetryBrokerOptions, 'url'> & { readonly urls: readonly string[] }) | undefined;
}

const RETRY_NAMES: Record<keyof RetryOptions, true> = {
  enable: true,
  maxAttempts: true,
  backoffMillis: true,
  maxBackoffMillis: true,
  mq: true,
};

const BROKER_NAMES: Record<keyof RetryBrokerOptions, true> = {
  url: true,
  exchange: true,
  queue: true,
  routingKey: true,
  dlx: true,
  dlq: true,
  tls: true,
};

const DEFAULTS = { maxAttempts: 3, backoffMillis: 500, maxBackoffMillis: 60_000 };

/** How often and where commands are tried again. */
export function resolveRetry(check: OptionCheck, given: unknown): ResolvedRetryOptions {
  if (given === undefined) return { ...DEFAULTS, mq: undefined };
  if (!isObject(given)) {
    check.fault('retry', 'it is no object', "Write e.g. { mq: { url: 'amqp://…' } } or leave it out");
    return { ...DEFAULTS, mq: undefined };
  }
  check.names('retry', given, RETRY_NAMES);
  const { enable, maxAttempts, backoffMillis, maxBackoffMillis, mq } = given;
  const numbers = resolveGroup(check, 'retry', { maxAttempts, backoffMillis, maxBackoffMillis }, DEFAULTS);
  for (const name of ['backoffMillis', 'maxBackoffMillis'] as const) {
    if (numbers[name] > LONGEST_MILLIS) {
      check.fault(`retry.${name}`, 'it is too long', `Use at most ${LONGEST_MILLIS}, some 24 days`);
    }
  }
  if (enable !== undefined && typeof enable !== 'boolean') {
    check.fault('retry.enable', 'it is neither true nor false', 'Use one of them or leave it out');
  }
  const broker = mq === undefined ? undefined : resolveBroker(check, mq);
  return { ...numbers, mq: enable === false ? undefined : broker };
}

function resolveBroker(check: OptionCheck, given: unknown): ResolvedRetryOptions['mq'] {
  if (!isObject(given)) {
    check.fault('retry.mq', 'it is no object', "Write e.g. { url: 'amqp://127.0.0.1:5672/' }");
    return undefined;
  }
  check.names('retry.mq', given, BROKER_NAMES);
  const { url, ...names } = given as unknown as RetryBrokerOptions;
  const urls = resolveUrls(check, url);
  for (const name of ['exchange', 'queue', 'routingKey', 'dlx', 'dlq'] as const) {
    if (names[name] !== undefined) checkName(check, `retry.mq.${name}`, names[name]);
  }
  const { tls } = names;
  if (tls !== undefined && !isObject(tls)) {
    check.fault('retry.mq.tls', 'it is no object', 'Write e.g. { ca: … } or leave it out');
  } else if (tls !== undefined && urls.some((each) => each.startsWith('amqp:'))) {
    check.fault('retry.mq.tls', 'an amqp:// URL does not use it', 'Write amqps:// in `retry.mq.url`');
  }
  return urls.length > 0 ? { ...names, urls } : undefined;
}

/** Says nothing of the URL itself: it holds the password. */
function resolveUrls(check: OptionCheck, given: unknown): string[] {
  const urls: unknown[] = [given].flat();
  const usable = urls.filter(
    (url) => typeof url === 'string' && /^amqps?:\/\/./.test(url) && URL.canParse(url),
  );
  if (urls.length === 0 || usable.length < urls.length) {
    check.fault(
      'retry.mq.url',
      given === undefined ? 'it is missing' : 'it is no AMQP URL',
      "Write 'amqp://user:password@host:5672/vhost' or 'amqps://…'; encode special characters of the password",
    );
    return [];
  }
  return usable as string[];
}

function checkName(check: OptionCheck, subject: string, value: unknown): void {
  if (!check.text(subject, value)) return;
  const name = value as string;
  if (Buffer.byteLength(name) > LONGEST_NAME_BYTES) {
    check.fault(subject, 'the name is too long', `Use at most ${LONGEST_NAME_BYTES} bytes`);
  }
  if (name.startsWith('amq.')) {
    check.fault(subject, 'RabbitMQ keeps names with "amq." for itself', 'Choose another name');
  }
}
