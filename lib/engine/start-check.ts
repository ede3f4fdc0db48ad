import { Inject, Injectable } from '@nestjs/common';
import { checkSource } from '../binlog/check-source';
import { CachedExplorer } from '../cache/cached.explorer';
import type { CacheflowConfig } from '../config/cacheflow.config';
import { CacheflowConfigurationError } from '../errors/configuration.error';
import { HandlerDistribution } from '../distribution/handler-distribution';
import { ErrorReporter } from '../errors/error-reporter';
import { handlerFaults } from '../events/handler-faults';
import { OnBinlogExplorer } from '../events/on-binlog.explorer';
import { RedisConnection } from '../redis/redis-connection';
import { RetryService } from '../retry/retry.service';
import { CustomStrategies } from '../strategy/custom-strategies';
import { CACHEFLOW_CONFIG, CACHEFLOW_NAME } from '../support/injection-tokens';
import type { Engine } from './engine';
import { EngineBuilder } from './engine.builder';
import { SourceNames } from './source-names';

/** Looks at everything that may be wrong before a source starts: its options, the app's classes, the servers. */
@Injectable()
export class StartCheck {
  constructor(
    @Inject(CACHEFLOW_NAME) private readonly name: string,
    @Inject(CACHEFLOW_CONFIG) private readonly config: CacheflowConfig,
    @Inject(SourceNames) private readonly names: SourceNames,
    @Inject(OnBinlogExplorer) private readonly handlers: OnBinlogExplorer,
    @Inject(CachedExplorer) private readonly cached: CachedExplorer,
    @Inject(CustomStrategies) private readonly custom: CustomStrategies,
    @Inject(RedisConnection) private readonly redis: RedisConnection,
    @Inject(RetryService) private readonly retry: RetryService,
    @Inject(HandlerDistribution) private readonly distribution: HandlerDistribution,
    @Inject(EngineBuilder) private readonly builder: EngineBuilder,
    @Inject(ErrorReporter) private readonly errors: ErrorReporter,
  ) {}

  /**
   * Resolves with what can be started. A source that is away is waited for later, because the app has to start all the
   * same.
   *
   * @throws CacheflowConfigurationError that lists every fault
   */
  async run(): Promise<Engine> {
    const { config } = this;
    const sources = this.names.all();
    const { handlers, faults: wrongHandlers } = this.handlers.explore(sources);
    const faults = [...config.faults, ...this.names.faults(), ...wrongHandlers];
    faults.push(...handlerFaults(handlers, config.rules));
    const cachedFaults = this.cached.explore(sources);
    const redisFault = config.usable.redis ? this.redis.resolve() : undefined;
    if (redisFault) faults.push(redisFault);
    faults.push(...(await this.custom.resolve(config.rules.all)));

    // Without usable options there is nobody to ask.
    const canRun = config.usable.mysql && config.usable.redis && !redisFault;
    const engine = canRun ? await this.builder.build(handlers) : undefined;
    const brokerFaults = await this.retry.check();
    faults.push(...brokerFaults);
    // It would say the same again.
    if (canRun && brokerFaults.length === 0) faults.push(...(await this.distribution.check()));
    if (config.usable.mysql) {
      // Without a tail, because something else is wrong, its faults are looked for all the same.
      const check =
        engine?.parts.tail.check() ?? checkSource(config, this.errors, new AbortController().signal);
      faults.push(...(await check).faults);
    }
    if (engine) faults.push(...(await engine.parts.group.check(new AbortController().signal)));
    faults.push(...cachedFaults());
    if (faults.length === 0 && engine) {
      await engine.parts.everywhere.begin();
      return engine;
    }
    const error = new CacheflowConfigurationError(this.name, faults);
    await engine?.parts.group.leave(error);
    throw error;
  }
}
