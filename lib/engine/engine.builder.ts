import { setMaxListeners } from 'node:events';
import { Inject, Injectable } from '@nestjs/common';
import { Auditor } from '../audit/auditor';
import { VisibilityBarrier } from '../barrier/visibility-barrier';
import { VisibilityProbe } from '../barrier/visibility-probe';
import { Tail } from '../binlog/tail';
import { Freshness } from '../cache/freshness';
import { WatermarkPublisher } from '../cache/watermark-publisher';
import { CheckpointKeeper } from '../checkpoint/checkpoint-keeper';
import { CheckpointStores } from '../checkpoint/checkpoint-stores';
import type { CacheflowConfig } from '../config/cacheflow.config';
import { HandlerDistribution } from '../distribution/handler-distribution';
import { ErrorReporter } from '../errors/error-reporter';
import { EventHub } from '../events/event-hub';
import { EverywhereEvents } from '../events/everywhere/everywhere-events';
import type { BinlogHandler } from '../events/on-binlog.explorer';
import { TableKeys } from '../keys/table-keys';
import { AppliedPosition } from '../pipeline/applied-position';
import { ChangePipeline } from '../pipeline/change-pipeline';
import { ChangeQueue } from '../pipeline/change-queue';
import { isCluster } from '../redis/redis-client';
import { RedisConnection } from '../redis/redis-connection';
import { RedisHold } from '../redis/redis-hold';
import { RewindGuard } from '../redis/rewind-guard';
import { RetryService } from '../retry/retry.service';
import { StrategyService } from '../strategy/strategy.service';
import { CACHEFLOW_CONFIG, CACHEFLOW_NAME } from '../support/injection-tokens';
import type { Group } from '../group/group';
import { LoneProcess } from '../group/lone-process';
import { ProcessGroup } from '../group/process-group';
import { Engine } from './engine';
import { RedisCacheHistory } from './redis-cache-history';

/**
 * Puts the parts of a source together. Data flows one way, tail → queue → pipeline → strategy; the calls that go the
 * other way are the functions below.
 */
@Injectable()
export class EngineBuilder {
  constructor(
    @Inject(CACHEFLOW_NAME) private readonly name: string,
    @Inject(CACHEFLOW_CONFIG) private readonly config: CacheflowConfig,
    @Inject(RedisConnection) private readonly redis: RedisConnection,
    @Inject(RedisHold) private readonly hold: RedisHold,
    @Inject(RewindGuard) private readonly guard: RewindGuard,
    @Inject(StrategyService) private readonly strategy: StrategyService,
    @Inject(CheckpointStores) private readonly stores: CheckpointStores,
    @Inject(EventHub) private readonly events: EventHub,
    @Inject(EverywhereEvents) private readonly everywhere: EverywhereEvents,
    @Inject(RetryService) private readonly retry: RetryService,
    @Inject(HandlerDistribution) private readonly distribution: HandlerDistribution,
    @Inject(TableKeys) private readonly tableKeys: TableKeys,
    @Inject(Freshness) private readonly freshness: Freshness,
    @Inject(Auditor) private readonly auditor: Auditor,
    @Inject(ErrorReporter) private readonly errors: ErrorReporter,
  ) {}

  /** Needs a client of Redis, and connects to nothing yet. */
  async build(handlers: readonly BinlogHandler[]): Promise<Engine> {
    const { name, config, errors, redis, hold, guard, strategy, events, everywhere, retry, auditor } = this;
    const cutOff = new AbortController();
    // Each handler that waits for its next attempt listens to it.
    setMaxListeners(0, cutOff.signal);
    const store = await this.stores.resolve();
    const position = new AppliedPosition();
    const group = this.createGroup(store.isFenced ?? false, handlers);
    const keeper = new CheckpointKeeper({
      name,
      store,
      errors,
      signal: cutOff.signal,
      onDeposed: (error, term) => tail.deposed(error, term),
    });
    const queue: ChangeQueue = new ChangeQueue(config.queue, (full) => tail.holdForQueue(full));
    const barrier = this.createBarrier(position, () => tail);
    const pipeline = new ChangePipeline({
      queue,
      barrier,
      strategy,
      events,
      everywhere,
      keeper,
      position,
      signal: cutOff.signal,
      onApplied: (items) => auditor.sample(items),
    });
    const history = { name, redis, hold, guard, strategy, retry };
    const tail: Tail = new Tail({
      name,
      config,
      errors,
      queue,
      position,
      store,
      keeper,
      cache: new RedisCacheHistory({ ...history, hasOthers: () => group.members.list().length > 1 }),
      // In a cluster the checkpoint is on one master, and what another one loses is lost.
      checkpointGoesBack: config.checkpoint === 'redis' && !isCluster(redis.client),
      abandon: () => pipeline.abandon(),
      leadership: group.leadership,
      onDeposed: () => {
        events.dropWaiting();
        strategy.forgetParked();
        // What is in hand would be handed on in the next term, without what was dropped before it.
        pipeline.abandon();
      },
      learn: (shape) => this.tableKeys.shapes.learn(shape),
      projection: (table, place) =>
        events.wants(table) || everywhere.wants(table) ? undefined : strategy.columnsNeeded(table, place),
    });
    const watermark = this.createWatermark(tail, position, group);

    this.tableKeys.shapes.use((table) => tail.describe(table));
    this.freshness.follow(() => position.value?.gtidSet);
    guard.onRewound((error) => {
      keeper.reset();
      tail.rewind(error);
    });
    const { distribution } = this;
    const inOne = handlers.filter((each) => !each.everywhere);
    events.register(inOne, {
      signal: cutOff.signal,
      giveUp: (handler, event, failure) => retry.parkHandler(handler, event, failure, cutOff.signal),
      isOurs: () => group.isLeading,
      distributor: distribution.isOn ? distribution : undefined,
    });
    const inEvery = handlers.filter((each) => each.everywhere);
    everywhere.register(inEvery, cutOff.signal);
    strategy.onRedefined((signal) => group.announceRedefinition(signal));
    const { shapes } = this.tableKeys;
    const { shutdownTimeoutMillis } = config;
    const running = { tail, queue, barrier, pipeline, keeper, position, watermark, group, shapes, cutOff };
    const services = { strategy, events, everywhere, distribution, retry, auditor, guard, errors };
    return new Engine({ ...running, ...services, shutdownTimeoutMillis });
  }

  private createGroup(isFenced: boolean, handlers: readonly BinlogHandler[]): Group {
    const { name, config, redis, hold, errors } = this;
    const { election } = config;
    if (election === 'none') return new LoneProcess();
    return new ProcessGroup({ name, config, election, redis, hold, errors, handlers, isFenced });
  }

  private createBarrier(position: AppliedPosition, tail: () => Tail): VisibilityBarrier {
    const { mysql, barrier, reconnect } = this.config;
    const probe = new VisibilityProbe({
      mysql,
      replica: barrier,
      reconnect,
      errors: this.errors,
      sourceIdentity: () => position.identity,
      onOtherServer: () => tail().reconnect(new Error('the address leads to another server now')),
    });
    return new VisibilityBarrier(probe);
  }

  private createWatermark(tail: Tail, position: AppliedPosition, group: Group): WatermarkPublisher {
    return new WatermarkPublisher({
      name: this.name,
      intervalMillis: this.config.cache.watermarkMillis,
      redis: this.redis,
      guard: this.guard,
      isOurs: () => group.isLeading,
      caughtUp: async (signal) => {
        await tail.caughtUp(signal);
        return position.value;
      },
    });
  }
}
