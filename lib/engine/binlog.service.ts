import type { OnApplicationBootstrap, OnModuleDestroy, OnModuleInit } from '@nestjs/common';
import { Inject, Injectable } from '@nestjs/common';
import { HandlerDistribution } from '../distribution/handler-distribution';
import { ErrorReporter } from '../errors/error-reporter';
import { CacheflowStoppedError } from '../errors/source.errors';
import { EventHub } from '../events/event-hub';
import { RedisConnection } from '../redis/redis-connection';
import { RetryService } from '../retry/retry.service';
import { CACHEFLOW_NAME } from '../support/injection-tokens';
import type { CacheflowStatus } from './cacheflow-status';
import type { Engine } from './engine';
import { StartCheck } from './start-check';
import { StatusReader } from './status.reader';

/** Owns the life cycle of the tail: checks and connects on init, streams from bootstrap on, stops on destroy. */
@Injectable()
export class BinlogService implements OnModuleInit, OnApplicationBootstrap, OnModuleDestroy {
  private engine: Engine | undefined;
  private closing: Promise<void> | undefined;

  constructor(
    @Inject(CACHEFLOW_NAME) private readonly name: string,
    @Inject(StartCheck) private readonly check: StartCheck,
    @Inject(StatusReader) private readonly reader: StatusReader,
    @Inject(RetryService) private readonly retry: RetryService,
    @Inject(HandlerDistribution) private readonly distribution: HandlerDistribution,
    @Inject(EventHub) private readonly events: EventHub,
    @Inject(ErrorReporter) private readonly errors: ErrorReporter,
    @Inject(RedisConnection) private readonly redis: RedisConnection,
  ) {}

  /**
   * Checks everything. If the source is away, the tail waits for it later, because the app has to start all the same.
   *
   * @throws CacheflowConfigurationError that lists every fault
   */
  async onModuleInit(): Promise<void> {
    try {
      this.engine = await this.check.run();
    } catch (error) {
      await this.distribution.stop(AbortSignal.abort());
      await this.retry.stop();
      this.redis.close();
      throw error;
    }
  }

  onApplicationBootstrap(): void {
    this.running.start();
  }

  /** Stops reading, finishes the batch and the handlers in hand, saves the checkpoint, and closes its connections. */
  async onModuleDestroy(): Promise<void> {
    this.closing ??= this.close();
    await this.closing;
  }

  private async close(): Promise<void> {
    await this.engine?.stop();
    await this.distribution.stop(this.engine?.parts.cutOff.signal ?? AbortSignal.abort());
    await this.retry.stop(this.engine?.parts.cutOff.signal);
    this.events.complete();
    this.errors.complete();
    this.redis.close();
  }

  status(): CacheflowStatus {
    return this.reader.read(this.engine);
  }

  /** See `CacheflowService.caughtUp`. */
  async caughtUp(timeoutMillis: number): Promise<void> {
    await this.running.caughtUp(timeoutMillis);
  }

  /** See `CacheflowService.pause`. */
  async pause(): Promise<void> {
    await this.running.pause();
  }

  /** See `CacheflowService.resume`. */
  async resume(): Promise<void> {
    await this.running.resume();
  }

  private get running(): Engine {
    if (!this.engine) throw new CacheflowStoppedError(`Cacheflow "${this.name}" was not started`);
    return this.engine;
  }
}
