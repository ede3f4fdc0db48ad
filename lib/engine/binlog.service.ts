import { setMaxListeners } from 'node:events';
import type { OnApplicationBootstrap, OnModuleDestroy, OnModuleInit } from '@nestjs/common';
import { Inject, Injectable } from '@nestjs/common';
import { Auditor } from '../audit/auditor';
import type { CacheflowConfig } from '../config/cacheflow.config';
import { CACHEFLOW_CONFIG, CACHEFLOW_NAME } from '../support/injection-tokens';
import { CacheReader } from '../cache/cache-reader';
import { CachedExplorer } from '../cache/cached.explorer';
import { Freshness } from '../cache/freshness';
import { WatermarkPublisher } from '../cache/watermark-publisher';
import { CheckpointKeeper } from '../checkpoint/checkpoint-keeper';
import { CheckpointStores } from '../checkpoint/checkpoint-stores';
import { messageOf } from '../errors/cacheflow.error';
import { errorKind } from '../errors/change.errors';
import type { ConfigurationFault } from '../errors/configuration.error';
import { CacheflowConfigurationError } from '../errors/configuration.error';
import { ErrorReporter } from '../errors/error-reporter';
import { CacheflowStoppedError, CaughtUpTimeoutError, SourceUnavailableError } from '../errors/source.errors';
import { EventHub } from '../events/event-hub';
import { OnBinlogExplorer } from '../events/on-binlog.explorer';
import { AppliedPosition } from '../pipeline/applied-position';
import { ChangePipeline } from '../pipeline/change-pipeline';
import { ChangeQueue } from '../pipeline/change-queue';
import { VisibilityBarrier } from '../barrier/visibility-barrier';
import { VisibilityProbe } from '../barrier/visibility-probe';
import { lookAtSource } from '../preflight/preflight';
import { isCluster } from '../redis/redis-client';
import { RedisConnection } from '../redis/redis-connection';
import { claimEpoch } from '../redis/scripts/epoch';
import { RedisHold } from '../redis/redis-hold';
import { RewindGuard } from '../redis/rewind-guard';
import { RetryService } from '../retry/retry.service';
import { SourceNames } from './source-names';
import { CustomStrategies } from '../strategy/custom-strategies';
import { StrategyService } from '../strategy/strategy.service';
import { TableKeys } from '../keys/table-keys';
import { untilAborted, withDeadline } from '../support/abort';
import { handlerFaults } from '../events/handler-faults';
import { accessFault } from '../mysql/source-faults';
import { Tail } from '../binlog/tail';
import type { CacheflowStatus } from './cacheflow-status';

/** What runs between start and stop. */
interface Machinery {
  readonly tail: Tail;
  readonly queue: ChangeQueue;
  readonly barrier: VisibilityBarrier;
  readonly pipeline: ChangePipeline;
  readonly keeper: CheckpointKeeper;
  readonly position: AppliedPosition;
  readonly watermark: WatermarkPublisher;
  /** Cuts off what a shutdown cannot wait for. */
  readonly cutOff: AbortController;
}

/** Owns the life of the tail: checks and connects on init, streams from bootstrap, stops on destroy. */
@Injectable()
export class BinlogService implements OnModuleInit, OnApplicationBootstrap, OnModuleDestroy {
  private machinery: Machinery | undefined;
  private pipelineRun: Promise<void> | undefined;
  private closing: Promise<void> | undefined;

  constructor(
    @Inject(CACHEFLOW_NAME) private readonly name: string,
    @Inject(CACHEFLOW_CONFIG) private readonly config: CacheflowConfig,
    @Inject(RedisConnection) private readonly redis: RedisConnection,
    @Inject(RedisHold) private readonly gate: RedisHold,
    @Inject(RewindGuard) private readonly guard: RewindGuard,
    @Inject(StrategyService) private readonly strategy: StrategyService,
    @Inject(CustomStrategies) private readonly custom: CustomStrategies,
    @Inject(CheckpointStores) private readonly stores: CheckpointStores,
    @Inject(EventHub) private readonly events: EventHub,
    @Inject(OnBinlogExplorer) private readonly explorer: OnBinlogExplorer,
    @Inject(SourceNames) private readonly names: SourceNames,
    @Inject(RetryService) private readonly retry: RetryService,
    @Inject(TableKeys) private readonly tableKeys: TableKeys,
    @Inject(CacheReader) private readonly reader: CacheReader,
    @Inject(Freshness) private readonly freshness: Freshness,
    @Inject(CachedExplorer) private readonly cached: CachedExplorer,
    @Inject(Auditor) private readonly auditor: Auditor,
    @Inject(ErrorReporter) private readonly errors: ErrorReporter,
  ) {}

  /**
   * Checks everything. A source that is away is waited for later, because the app has to start all the same.
   *
   * @throws CacheflowConfigurationError that lists every fault
   */
  async onModuleInit(): Promise<void> {
    const { handlers, faults } = this.explorer.explore(this.names.all());
    const all = [...this.config.faults, ...this.names.faults(), ...faults];
    all.push(...handlerFaults(handlers, this.config.rules));
    const cached = this.cached.explore(this.names.all());
    // Without usable options there is nobody to ask.
    const [mysqlUsable, redisUsable] = ['mysql', 'redis'].map(
      (part) => !this.config.faults.some(({ subject }) => new RegExp(`^(options|${part})\\b`).test(subject)),
    );
    try {
      const redisFault = redisUsable ? this.redis.resolve() : undefined;
      if (redisFault) all.push(redisFault);
      all.push(...(await this.custom.resolve(this.config.rules.all)));
      if (mysqlUsable && redisUsable && !redisFault) {
        this.machinery = await this.build();
        const { signal } = this.machinery.cutOff;
        this.events.register(handlers, signal, (handler, event, failure) =>
          this.retry.parkHandler(handler, event, failure, signal),
        );
      }
      all.push(...(await this.retry.check()));
      if (mysqlUsable) all.push(...(await this.checkSource(this.machinery?.tail)));
      all.push(...cached());
      if (all.length > 0) throw new CacheflowConfigurationError(this.name, all);
    } catch (error) {
      this.machinery = undefined;
      await this.retry.stop();
      this.redis.close();
      throw error;
    }
  }

  onApplicationBootstrap(): void {
    const machinery = this.running;
    this.pipelineRun = machinery.pipeline.run().catch((cause: unknown) => {
      // The cut-off of a shutdown ends it; what was in hand is read again after the restart.
      if (machinery.cutOff.signal.aborted) return;
      const problem = `The pipeline failed (${errorKind(cause)}); nothing is applied until the app is restarted`;
      machinery.tail.fail(new CacheflowStoppedError(problem, { cause }));
    });
    this.retry.start(async ({ work, ...command }, signal) =>
      work.kind === 'handler'
        ? this.events.retryHandler(work.handler, work.event)
        : this.strategy.retry({ work, ...command }, signal),
    );
    machinery.tail.start();
    machinery.watermark.start();
    this.auditor.start({
      isStreaming: () => machinery.tail.state === 'streaming',
      caughtUp: (timeoutMillis) => this.caughtUp(timeoutMillis),
    });
  }

  /** Stops reading, finishes the batch and the handlers in hand, saves the checkpoint, closes what is ours. */
  async onModuleDestroy(): Promise<void> {
    this.closing ??= this.close();
    await this.closing;
  }

  private async close(): Promise<void> {
    const { machinery } = this;
    if (machinery) {
      const deadline = setTimeout(
        () => machinery.cutOff.abort(new CacheflowStoppedError('The shutdown took too long')),
        this.config.shutdownTimeoutMillis,
      );
      try {
        await untilAborted(machinery.watermark.stop(), machinery.cutOff.signal);
        await untilAborted(this.auditor.stop(), machinery.cutOff.signal);
        await untilAborted(machinery.tail.stop(), machinery.cutOff.signal);
        machinery.queue.close();
        machinery.pipeline.resume();
        if (this.pipelineRun) await untilAborted(this.pipelineRun, machinery.cutOff.signal);
        await untilAborted(this.events.idle(), machinery.cutOff.signal);
        await untilAborted(this.retry.stop(machinery.cutOff.signal), machinery.cutOff.signal);
        await untilAborted(machinery.keeper.save(), machinery.cutOff.signal);
        await untilAborted(this.guard.end(), machinery.cutOff.signal);
      } catch (error) {
        if (!machinery.cutOff.signal.aborted) throw error;
        this.errors.warn('The shutdown was cut short; the changes in hand are applied after the restart');
      } finally {
        clearTimeout(deadline);
        machinery.cutOff.abort(new CacheflowStoppedError('The tail was stopped'));
        machinery.barrier.close();
      }
    }
    await this.retry.stop(machinery?.cutOff.signal);
    this.events.complete();
    this.errors.complete();
    this.redis.close();
  }

  status(): CacheflowStatus {
    const { machinery } = this;
    const tail = machinery?.tail;
    const position = machinery?.position.value;
    return {
      name: this.name,
      state: tail?.state ?? 'idle',
      reason: tail?.reason,
      serverId: tail?.serverId ?? this.config.serverId,
      position,
      checkpoint: machinery?.keeper.saved,
      lag: machinery ? lagOf(machinery) : { millis: 0, bytes: undefined },
      flushing: this.strategy.flushing,
      barrier: { waitingSince: machinery?.barrier.waitingSince },
      redis: { waitingSince: this.gate.waitingSince },
      queuedRows: machinery?.queue.size ?? 0,
      pendingHandlers: this.events.pendingHandlers,
      cache: this.reader.status,
      retry: { state: this.retry.state, ...this.retry.counters },
      audit: this.auditor.status,
      counters: {
        changes: tail?.rowsRead ?? 0,
        ...this.strategy.counters,
        events: this.events.published,
        handlerFailures: this.events.handlerFailures,
        errors: this.errors.count,
        reconnects: Math.max(0, tail?.reconnects ?? 0),
      },
    };
  }

  /** See `CacheflowService.caughtUp`. */
  async caughtUp(timeoutMillis: number): Promise<void> {
    const { tail, position } = this.running;
    let timedOut = false;
    try {
      await withDeadline(timeoutMillis, tail.ended, async (signal) => {
        signal.addEventListener('abort', () => (timedOut = !tail.ended.aborted), { once: true });
        await reachNow(tail, position, signal);
      });
    } catch (cause) {
      if (!timedOut) throw cause;
      const { state, reason } = this.status();
      throw new CaughtUpTimeoutError(
        `The tail did not catch up within ${timeoutMillis} ms (state ${state}${reason ? `: ${reason}` : ''})`,
        { cause },
      );
    }
  }

  pause(): void {
    this.running.tail.pause();
    this.running.pipeline.pause();
  }

  resume(): void {
    this.running.pipeline.resume();
    this.running.tail.resume();
  }

  private get running(): Machinery {
    if (!this.machinery) throw new CacheflowStoppedError(`Cacheflow "${this.name}" was not started`);
    return this.machinery;
  }

  private async build(): Promise<Machinery> {
    const { name, config, errors } = this;
    const cutOff = new AbortController();
    // Each handler that waits for its next attempt listens to it.
    setMaxListeners(0, cutOff.signal);
    const store = await this.stores.resolve();
    const keeper = new CheckpointKeeper(name, store, errors, cutOff.signal);
    const position = new AppliedPosition();
    const queue: ChangeQueue = new ChangeQueue(config.queue, (full) => tail.holdForQueue(full));
    const tail: Tail = new Tail({
      name,
      config,
      errors,
      queue,
      position,
      store,
      keeper,
      cache: {
        beginEpoch: async (identity, ended, signal) => {
          const epoch = await this.gate.run(signal, () =>
            claimEpoch(this.redis.client, name, identity, ended),
          );
          this.strategy.useEpoch(epoch.number);
          return epoch;
        },
        accept: (signal) => this.gate.run(signal, () => this.guard.begin()),
        hasRetried: () => this.retry.counters.retried > 0,
        verify: (signal) => this.gate.run(signal, () => this.guard.verify()),
      },
      learn: (shape) => this.tableKeys.shapes.learn(shape),
      abandon: () => pipeline.abandon(),
      // In a cluster the checkpoint is on one master, and what another one loses is lost.
      checkpointGoesBack: config.checkpoint === 'redis' && !isCluster(this.redis.client),
      lagMillis: () => lagOf({ tail, position, queue }).millis,
      projection: (table, place) =>
        this.events.wants(table) ? undefined : this.strategy.columnsNeeded(table, place),
    });
    const barrier = new VisibilityBarrier(
      new VisibilityProbe({
        mysql: config.mysql,
        replica: config.barrier,
        reconnect: config.reconnect,
        errors,
        sourceIdentity: () => position.identity,
        onOtherServer: () => tail.reconnect(new Error('the address leads to another server now')),
      }),
    );
    const pipeline: ChangePipeline = new ChangePipeline(
      queue,
      barrier,
      this.strategy,
      this.events,
      keeper,
      position,
      cutOff.signal,
      (items) => this.auditor.sample(items),
    );
    this.tableKeys.shapes.use((table) => tail.describe(table));
    this.freshness.follow(() => position.value?.gtidSet);
    const watermark = new WatermarkPublisher({
      name,
      intervalMillis: config.cache.watermarkMillis,
      redis: this.redis,
      guard: this.guard,
      caughtUp: async (signal) => {
        await reachNow(tail, position, signal);
        return position.value;
      },
    });
    this.guard.onRewound((error) => {
      keeper.reset();
      tail.rewind(error);
    });
    return { tail, queue, barrier, pipeline, keeper, position, watermark, cutOff };
  }

  /** Without a tail, because something else is wrong, the faults are looked for all the same. */
  private async checkSource(tail: Tail | undefined): Promise<readonly ConfigurationFault[]> {
    try {
      const { faults, warnings } = await (tail
        ? tail.check()
        : lookAtSource(this.config, new AbortController().signal));
      for (const warning of warnings) this.errors.warn(warning);
      return faults;
    } catch (cause) {
      const fault = accessFault(cause, this.config.mysql);
      if (fault) return [fault];
      const error = new SourceUnavailableError(
        `The source cannot be reached (${messageOf(cause)}); the app starts without it, and it is waited for`,
        { cause },
      );
      if (tail) tail.reason = error.message;
      this.errors.report(error);
      return [];
    }
  }
}

/** Resolves when everything is applied that was committed before the call. Rejects with the signal's reason. */
async function reachNow(tail: Tail, position: AppliedPosition, signal: AbortSignal): Promise<void> {
  // A place of one server says nothing of another one: a target from before a failover is asked for again.
  let stream;
  do {
    stream = position.stream;
    await position.reach(await tail.askPosition(signal), signal);
  } while (stream !== position.stream);
}

function lagOf({
  tail,
  position,
  queue,
}: Pick<Machinery, 'tail' | 'position' | 'queue'>): CacheflowStatus['lag'] {
  const { sourcePosition, behindSince } = tail;
  const applied = position.value;
  const unread =
    sourcePosition !== undefined && !position.hasReached(sourcePosition) ? behindSince : undefined;
  const oldest = queue.oldestTimestamp ?? unread;
  const sameFile = sourcePosition !== undefined && applied?.file === sourcePosition.file;
  return {
    millis: oldest === undefined ? 0 : Math.max(0, Date.now() - oldest),
    bytes: sameFile ? Math.max(0, sourcePosition.offset - applied.offset) : undefined,
  };
}
