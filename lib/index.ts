export type { AuditHorizon, AuditStatus } from './audit/audit-status';
export { BinlogService } from './engine/binlog.service';
export type { BinlogPosition, ChangePosition } from './change/position';
export type { Lag } from './binlog/lag';
export type { TailState } from './binlog/tail-state';
export type { GroupMember, GroupStatus, LeaderReport } from './group/group-status';
export type { CacheflowCounters, CacheflowStatus } from './engine/cacheflow-status';
export type { CachedRequest } from './cache/cached-response.decorator';
export { CachedResponse } from './cache/cached-response.decorator';
export { Cached } from './cache/cached.decorator';
export type { CachedByKey, CachedByTable, CachedOptions } from './cache/cached-options';
export { CacheflowInterceptor } from './cache/cacheflow.interceptor';
export type { CacheSerializer } from './options/cache-serializer';
export type { CacheCounters, CacheStatus } from './cache/cache-status';
export type { Load, LoadMany } from './cache/cache-reader';
export type { ReadOptions } from './cache/read-options';
export { CacheflowModule } from './cacheflow.module';
export type { DistributionStatus } from './distribution/distribution-status';
export { CacheStrategy, tables } from './options/cacheflow.options';
export type {
  AuditOptions,
  BarrierOptions,
  CacheOptions,
  CacheflowAsyncOptions,
  CacheflowExtras,
  CacheflowOptions,
  CacheflowOptionsFactory,
  EventsOptions,
  HandlerOptions,
  MysqlSourceOptions,
  PasswordSource,
  QueueOptions,
  ReconnectOptions,
  RedisConnectionOptions,
  RedisSource,
  RetryBrokerOptions,
  RetryOptions,
  StartAt,
  TableAuditOptions,
  TableOptions,
} from './options/cacheflow.options';
export { CacheflowService } from './cacheflow.service';
export type { Checkpoint, CheckpointStore } from './options/checkpoint.store';
export { EventsMissedError } from './errors/events.errors';
export type { EventsPlace, MissedEvents } from './errors/events.errors';
export { AuditFaultError } from './errors/audit.errors';
export { CacheflowError } from './errors/cacheflow.error';
export type { CacheflowErrorCode } from './errors/cacheflow.error';
export {
  ChangeError,
  ColumnsUncertainError,
  EventUnsupportedError,
  HandlerFailedError,
  KeyFailedError,
  RedisRefusedError,
  RowIncompleteError,
  RowUndecodableError,
  StrategyFailedError,
  TableNotKeyableError,
} from './errors/change.errors';
export {
  CacheBypassedError,
  KeyUnknownError,
  ReadOptionsError,
  ValueUnfitError,
} from './errors/cache.errors';
export { CacheflowConfigurationError } from './errors/configuration.error';
export type { ConfigurationFault } from './errors/configuration.error';
export { GroupMismatchError, GroupSplitError, LeadershipLostError } from './errors/group.errors';
export { DeadLetterError, RetryUnavailableError } from './errors/retry.errors';
export {
  CheckpointFailedError,
  RedisRewoundError,
  RedisUnavailableError,
  SubscriberFailedError,
} from './errors/redis.errors';
export {
  CacheflowStoppedError,
  CaughtUpTimeoutError,
  PositionLostError,
  ServerIdClashError,
  SourceStalledError,
  SourceUnavailableError,
  VisibilityStalledError,
} from './errors/source.errors';
export type { ChangeAction, ChangeEvent, Row } from './change/change-event';
export { OnBinlog } from './events/on-binlog.decorator';
export type { OnBinlogOptions } from './events/on-binlog.decorator';
export { InjectCacheflow, getCacheflowToken } from './inject-cacheflow.decorator';
export type { DeadLetter, DeadLetters } from './retry/dead-letters';
export { tag } from './keys/tag';
export type { CacheTag } from './keys/tag';
export type { RetryCounters, RetryState } from './retry/retry-path';
export { StrategyService } from './strategy/strategy.service';
export type { FlushProgress } from './strategy/table-flusher';
export type {
  DependencyChange,
  InvalidatesFunction,
  KeyFunction,
  TableStrategy,
  TableStrategyContext,
} from './options/table-strategy';
