// What is used of golevelup's AmqpConnection and of what lies beneath it: an optional peer, whose types our
// declarations must not name.

export interface AmqpMessage {
  readonly content: Buffer;
  readonly fields: { readonly redelivered: boolean };
  readonly properties: {
    readonly messageId?: unknown;
    readonly headers?: Readonly<Record<string, unknown>>;
  };
}

export interface PublishOptions {
  readonly persistent: true;
  /** The broker gives back what no queue takes. */
  readonly mandatory: true;
  readonly messageId: string;
  readonly contentType: string;
  readonly timestamp: number;
  readonly headers: Readonly<Record<string, string | number | string[]>>;
  /** Milliseconds, as text. */
  readonly expiration?: string;
}

export interface QueueArguments {
  readonly durable: true;
  readonly arguments: Readonly<Record<string, string | number | boolean>>;
}

/** A channel of amqplib. */
export interface AmqpChannel {
  on(event: 'close' | 'error', listener: (error: unknown) => void): unknown;
  on(event: 'return', listener: (message: AmqpMessage) => void): unknown;
  assertExchange(name: string, type: string, options: { durable: true }): Promise<unknown>;
  assertQueue(name: string, options: QueueArguments): Promise<unknown>;
  bindQueue(queue: string, exchange: string, key: string): Promise<unknown>;
  prefetch(count: number): Promise<unknown>;
  consume(queue: string, listener: (message: AmqpMessage | null) => void): Promise<{ consumerTag: string }>;
  cancel(consumerTag: string): Promise<unknown>;
  checkQueue(queue: string): Promise<{ messageCount: number; consumerCount: number }>;
  get(queue: string): Promise<AmqpMessage | false>;
  ack(message: AmqpMessage): void;
  nack(message: AmqpMessage, allUpTo: boolean, requeue: boolean): void;
  close(): Promise<unknown>;
}

export interface AmqpConfirmChannel extends AmqpChannel {
  publish(
    exchange: string,
    key: string,
    content: Buffer,
    options: PublishOptions,
    onConfirm: (error: unknown) => void,
  ): boolean;
}

/** A connection of amqplib, one for each time the broker was reached. */
export interface AmqpSession {
  /** Amqplib's inner connection and its socket. */
  readonly connection?: {
    readonly stream?: { destroy(): void };
    readonly serverProperties?: { readonly product?: unknown; readonly version?: unknown };
  };
  createChannel(): Promise<AmqpChannel>;
  createConfirmChannel(): Promise<AmqpConfirmChannel>;
}

/** The manager of amqp-connection-manager: it connects again by itself. */
export interface AmqpManager {
  on(event: 'connect', listener: (event: { connection: AmqpSession }) => void): unknown;
  on(event: 'connectFailed' | 'disconnect', listener: (event: { err?: unknown }) => void): unknown;
  on(event: 'blocked', listener: (event: { reason?: unknown }) => void): unknown;
  on(event: 'unblocked', listener: () => void): unknown;
}

/** Golevelup's AmqpConnection. */
export interface AmqpConnection {
  readonly managedConnection: AmqpManager;
  init(): Promise<unknown>;
  close(): Promise<unknown>;
}

/** What is used of `@golevelup/nestjs-rabbitmq`. */
export interface NestRabbitmq {
  AmqpConnection: new (config: Record<string, unknown>) => AmqpConnection;
}
