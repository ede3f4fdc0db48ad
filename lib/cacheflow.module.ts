import type { DynamicModule, InjectionToken, Provider } from '@nestjs/common';
import { Module } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { Auditor } from './audit/auditor';
import { BinlogService } from './engine/binlog.service';
import { EngineBuilder } from './engine/engine.builder';
import { StartCheck } from './engine/start-check';
import { StatusReader } from './engine/status.reader';
import { CacheReader } from './cache/cache-reader';
import { CachedRunner, cachedRunnerToken } from './cache/cached-runner';
import { CachedExplorer } from './cache/cached.explorer';
import { Freshness } from './cache/freshness';
import type { CacheflowConfig } from './config/cacheflow.config';
import { resolveConfig } from './config/cacheflow.config';
import { CACHEFLOW_CONFIG, CACHEFLOW_NAME, DEFAULT_NAME } from './support/injection-tokens';
import { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } from './cacheflow.module-definition';
import type { CacheflowAsyncOptions, CacheflowExtras, CacheflowOptions } from './options/cacheflow.options';
import { CacheflowService } from './cacheflow.service';
import { CheckpointStores } from './checkpoint/checkpoint-stores';
import { HandlerDistribution } from './distribution/handler-distribution';
import { ErrorReporter } from './errors/error-reporter';
import { EventHub } from './events/event-hub';
import { EverywhereEvents } from './events/everywhere/everywhere-events';
import { OnBinlogExplorer } from './events/on-binlog.explorer';
import { getCacheflowToken } from './inject-cacheflow.decorator';
import { CacheWriter } from './redis/cache-writer';
import { RedisConnection } from './redis/redis-connection';
import { RedisHold } from './redis/redis-hold';
import { RewindGuard } from './redis/rewind-guard';
import { RetryService } from './retry/retry.service';
import { SourceNames } from './engine/source-names';
import { CustomStrategies } from './strategy/custom-strategies';
import { StrategyService } from './strategy/strategy.service';
import { TableKeys } from './keys/table-keys';

/**
 * Keeps Redis consistent with MySQL or MariaDB. Import it once with `forRoot` or `forRootAsync`, or several times
 * with different `name`s for several sources.
 */
@Module({})
export class CacheflowModule extends ConfigurableModuleClass {
  /**
   * Sets up one source.
   *
   * @throws CacheflowConfigurationError at app startup, if anything is wrong with the options or the server
   */
  static override forRoot(options: CacheflowOptions & CacheflowExtras): DynamicModule {
    return assemble(super.forRoot(options), options);
  }

  /**
   * Does the same as `forRoot`, with options from a factory, a class, or an existing provider. Put `name` and
   * `isGlobal` next to `useFactory`, `useClass`, or `useExisting`, not among the options.
   */
  static override forRootAsync(options: CacheflowAsyncOptions): DynamicModule {
    return assemble(
      super.forRootAsync(options as Parameters<typeof ConfigurableModuleClass.forRootAsync>[0]),
      options,
    );
  }
}

/**
 * A named source has no provider under the class itself: `app.get(CacheflowService)` looks through all modules, and
 * must not find the wrong one.
 */
function service(token: InjectionToken<CacheflowService>): Provider {
  if (token === CacheflowService) return CacheflowService;
  return {
    provide: token,
    useFactory: (...rooms: ConstructorParameters<typeof CacheflowService>) => new CacheflowService(...rooms),
    inject: [BinlogService, EventHub, ErrorReporter, RedisConnection, RetryService, CacheReader, TableKeys],
  };
}

/** Adds a source's rooms to what the builder made of the options. */
function assemble(definition: DynamicModule, extras: CacheflowExtras | undefined): DynamicModule {
  const name = extras?.name ?? DEFAULT_NAME;
  const token = getCacheflowToken(name);
  return {
    ...definition,
    global: extras?.isGlobal ?? true,
    imports: [...(definition.imports ?? []), DiscoveryModule],
    providers: [
      ...(definition.providers ?? []),
      { provide: CACHEFLOW_NAME, useValue: name },
      { provide: CACHEFLOW_CONFIG, useFactory: resolveConfig, inject: [MODULE_OPTIONS_TOKEN] },
      ErrorReporter,
      RedisConnection,
      RedisHold,
      RewindGuard,
      CacheWriter,
      RetryService,
      CustomStrategies,
      StrategyService,
      CheckpointStores,
      EventHub,
      EverywhereEvents,
      OnBinlogExplorer,
      HandlerDistribution,
      SourceNames,
      {
        provide: TableKeys,
        useFactory: ({ rules }: CacheflowConfig) => new TableKeys(rules),
        inject: [CACHEFLOW_CONFIG],
      },
      Freshness,
      CacheReader,
      CachedRunner,
      { provide: cachedRunnerToken(name), useExisting: CachedRunner },
      CachedExplorer,
      Auditor,
      EngineBuilder,
      StartCheck,
      StatusReader,
      BinlogService,
      service(token),
    ],
    exports: [
      cachedRunnerToken(name),
      ...(token === CacheflowService ? [CacheflowService, BinlogService, StrategyService] : [token]),
    ],
  };
}
