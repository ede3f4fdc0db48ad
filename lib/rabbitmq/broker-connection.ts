import { messageOf } from '../errors/cacheflow.error';
import type { ErrorReporter } from '../errors/error-reporter';
import { RetryUnavailableError } from '../errors/retry.errors';
import { CacheflowStoppedError } from '../errors/source.errors';
import { untilAborted } from '../support/abort';
import type { AmqpConnection, AmqpSession, NestRabbitmq } from './amqp';
import { redacted } from './broker-faults';

const REPORT_INTERVAL_MILLIS = 10_000;
const CONNECT_TIMEOUT_MILLIS = 10_000;
/** Also notices a broker that is gone without a word, after two of them. */
const HEARTBEAT_SECONDS = 5;
const RECONNECT_SECONDS = 1;
const CLOSE_TIMEOUT_MILLIS = 3_000;

export interface BrokerAddress {
  readonly urls: readonly string[];
  readonly tls: object | undefined;
}

/** Golevelup's connection: it connects again by itself for ever. Channels are made of what it gives. */
export class BrokerConnection {
  private readonly amqp: AmqpConnection;
  private session: AmqpSession | undefined;
  private blocked = false;
  private ended = false;
  private lastFailure: unknown;
  private reportedAt = 0;
  private blockedTimer: NodeJS.Timeout | undefined;
  private wake: () => void = () => undefined;
  private changed = this.nextChange();

  constructor(
    { AmqpConnection: Connection }: NestRabbitmq,
    private readonly address: BrokerAddress,
    private readonly errors: ErrorReporter,
  ) {
    const say = (message: unknown): void => {
      if (this.ended) return;
      errors.warn(`RabbitMQ: ${redacted(String(message), address.urls)}`);
    };
    this.amqp = new Connection({
      name: 'cacheflow',
      uri: [...address.urls],
      enableDirectReplyTo: false,
      registerHandlers: false,
      connectionInitOptions: {
        wait: false,
        skipConnectionFailedLogging: true,
        skipDisconnectFailedLogging: true,
      },
      connectionManagerOptions: {
        heartbeatIntervalInSeconds: HEARTBEAT_SECONDS,
        reconnectTimeInSeconds: RECONNECT_SECONDS,
        connectionOptions: { ...address.tls, timeout: CONNECT_TIMEOUT_MILLIS, keepAlive: true },
      },
      // Its connects and disconnects are told by us.
      logger: {
        log: () => undefined,
        debug: () => undefined,
        verbose: () => undefined,
        warn: say,
        error: say,
      },
    });
  }

  get state(): 'connecting' | 'connected' | 'blocked' {
    if (!this.session) return 'connecting';
    return this.blocked ? 'blocked' : 'connected';
  }

  /** Begins to connect. */
  async open(): Promise<void> {
    const opened = this.amqp.init();
    const manager = this.amqp.managedConnection;
    manager.on('connect', ({ connection }) => {
      this.reportedAt = 0;
      this.change(() => (this.session = connection));
    });
    manager.on('connectFailed', ({ err }) => this.lost('cannot be reached', err));
    manager.on('disconnect', ({ err }) => this.lost('closed the connection', err));
    manager.on('blocked', ({ reason }) => {
      const report = (): void => this.report('takes no messages for now', reason);
      this.change(() => (this.blocked = true));
      clearInterval(this.blockedTimer);
      this.blockedTimer = setInterval(report, REPORT_INTERVAL_MILLIS);
      report();
    });
    manager.on('unblocked', () => this.unblock());
    await opened;
  }

  /** The first outcome of connecting: undefined when connected, else why not. */
  async firstOutcome(signal: AbortSignal): Promise<unknown> {
    while (!this.session && this.lastFailure === undefined) await untilAborted(this.changed, signal);
    return this.session ? undefined : this.lastFailure;
  }

  /** Waits until the broker is there and takes messages. Rejects with the signal's reason, or once it was closed. */
  async ready(signal: AbortSignal): Promise<AmqpSession> {
    for (;;) {
      signal.throwIfAborted();
      if (this.ended)
        throw new CacheflowStoppedError('The connection to RabbitMQ was closed by the shutdown');
      if (this.session && !this.blocked) return this.session;
      await untilAborted(this.changed, signal);
    }
  }

  /** At once when it is the first of an outage, and then every 10 seconds. */
  report(problem: string, cause: unknown): void {
    if (this.ended || Date.now() - this.reportedAt < REPORT_INTERVAL_MILLIS) return;
    this.reportedAt = Date.now();
    const why =
      cause === undefined ? '' : ` (${redacted(messageOf(cause) || 'no reason given', this.address.urls)})`;
    this.errors.report(
      new RetryUnavailableError(`RabbitMQ ${problem}${why}; what has to be parked is held meanwhile`, {
        cause,
      }),
    );
  }

  /** Ends everything, also when the broker does not answer. */
  async close(): Promise<void> {
    if (this.ended) return;
    const socket = this.session?.connection?.stream;
    this.unblock();
    this.change(() => (this.ended = true));
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CLOSE_TIMEOUT_MILLIS);
    });
    try {
      await Promise.race([this.amqp.close(), late]);
    } catch (cause) {
      this.errors.warn(`RabbitMQ: closing failed (${redacted(messageOf(cause), this.address.urls)})`);
    } finally {
      clearTimeout(timer);
      socket?.destroy();
    }
  }

  private lost(problem: string, cause: unknown): void {
    this.unblock();
    this.change(() => {
      this.session = undefined;
      this.lastFailure = cause ?? new Error('no reason given');
    });
    this.report(problem, cause);
  }

  private unblock(): void {
    clearInterval(this.blockedTimer);
    this.change(() => (this.blocked = false));
  }

  private change(apply: () => void): void {
    apply();
    const { wake } = this;
    this.changed = this.nextChange();
    wake();
  }

  private nextChange(): Promise<void> {
    return new Promise((resolve) => {
      this.wake = resolve;
    });
  }
}
