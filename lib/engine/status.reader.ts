import { Inject, Injectable } from '@nestjs/common';
import { Auditor } from '../audit/auditor';
import { CacheReader } from '../cache/cache-reader';
import type { CacheflowConfig } from '../config/cacheflow.config';
import { HandlerDistribution } from '../distribution/handler-distribution';
import { ErrorReporter } from '../errors/error-reporter';
import { EventHub } from '../events/event-hub';
import { EverywhereEvents } from '../events/everywhere/everywhere-events';
import type { GroupStatus } from '../group/group-status';
import { RedisHold } from '../redis/redis-hold';
import { RetryService } from '../retry/retry.service';
import { StrategyService } from '../strategy/strategy.service';
import { CACHEFLOW_CONFIG, CACHEFLOW_NAME } from '../support/injection-tokens';
import type { CacheflowStatus } from './cacheflow-status';
import type { Engine } from './engine';

/** Of a process that has not started yet. */
const NO_GROUP: GroupStatus = {
  self: '',
  role: 'standby',
  leader: undefined,
  members: [],
  since: 0,
  term: 0,
  paused: false,
  report: undefined,
};

/** Reads off how a source is doing. */
@Injectable()
export class StatusReader {
  constructor(
    @Inject(CACHEFLOW_NAME) private readonly name: string,
    @Inject(CACHEFLOW_CONFIG) private readonly config: CacheflowConfig,
    @Inject(RedisHold) private readonly hold: RedisHold,
    @Inject(StrategyService) private readonly strategy: StrategyService,
    @Inject(EventHub) private readonly events: EventHub,
    @Inject(EverywhereEvents) private readonly everywhere: EverywhereEvents,
    @Inject(CacheReader) private readonly reader: CacheReader,
    @Inject(RetryService) private readonly retry: RetryService,
    @Inject(HandlerDistribution) private readonly distribution: HandlerDistribution,
    @Inject(Auditor) private readonly auditor: Auditor,
    @Inject(ErrorReporter) private readonly errors: ErrorReporter,
  ) {}

  /** @param engine undefined before the start */
  read(engine: Engine | undefined): CacheflowStatus {
    const { tail, queue, barrier, keeper, position, group } = engine?.parts ?? {};
    const groupStatus = group?.status ?? NO_GROUP;
    const { report } = groupStatus;
    return {
      name: this.name,
      state: tail?.state ?? 'idle',
      reason: tail?.reason,
      serverId: tail?.serverId ?? this.config.serverId,
      group: groupStatus,
      position: report ? report.position : position?.value,
      checkpoint: report ? report.checkpoint : keeper?.saved,
      lag: report?.lag ?? tail?.lag ?? { millis: 0, bytes: undefined },
      flushing: this.strategy.flushing,
      barrier: { waitingSince: barrier?.waitingSince },
      redis: { waitingSince: this.hold.waitingSince },
      queuedRows: queue?.size ?? 0,
      pendingHandlers: this.events.pendingHandlers + this.everywhere.pendingHandlers,
      cache: this.reader.status,
      retry: { state: this.retry.state, ...this.retry.counters },
      distribution: this.distribution.status,
      audit: this.auditor.status,
      counters: {
        changes: tail?.rowsRead ?? 0,
        ...this.strategy.counters,
        events: this.events.published,
        handlerFailures: this.events.handlerFailures + this.everywhere.handlerFailures,
        errors: this.errors.count,
        reconnects: tail?.reconnects ?? 0,
      },
    };
  }
}
