import type { CacheflowStatus } from '../../../lib';
import type { RedisAddress } from '../../support/redis/address';

/** What a process of the application is started with. */
export interface AppSettings {
  readonly name: string;
  readonly mysqlPort: number;
  readonly redis: RedisAddress;
  /** Absent: without retries. */
  readonly amqpUrl: string | undefined;
  /** `'none'`: each process reads the binlog by itself. */
  readonly election?: 'none';
  /** How long a leader that is frozen or cut off keeps the lead. */
  readonly takeoverSeconds?: number;
  /** Handlers take their time, some of them long enough to hold the checkpoint. */
  readonly slowHandlers?: boolean;
  /** Spreads handler calls over RabbitMQ. */
  readonly distribute?: boolean;
  /** Where it connects to, so that it can be asked. */
  readonly controlPort: number;
  /** Where it writes what its handler was told. */
  readonly eventFile: string;
  /** Only errors are logged. */
  readonly quiet: boolean;
}

/** One line from the harness. */
export interface AppQuestion {
  readonly id: number;
  readonly ask: 'status' | 'caughtUp';
  readonly timeoutMillis?: number;
}

/** One line from the application. */
export interface AppAnswer {
  readonly id?: number;
  /** The process id, once it has booted. */
  readonly ready?: number;
  readonly status?: CacheflowStatus;
  /** Errors of `errors$` by code. */
  readonly errors?: Record<string, number>;
  readonly failure?: string;
}
