import { Inject, Injectable, RequestMethod } from '@nestjs/common';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import { CACHEFLOW_NAME } from '../support/injection-tokens';
import { ErrorReporter } from '../errors/error-reporter';
import type { ConfigurationFault } from '../errors/configuration.error';
import { TableKeys } from '../keys/table-keys';
import { methodsOf, providedBy } from '../support/provided-methods';
import type { CachedMetadata } from './cached-options';
import { columnsBy } from './cached-options';
import { cachedResponseOf } from './cached-response.decorator';
import { CachedRunner } from './cached-runner';
import { cachedMetadataOf, runnerProperty } from './cached.decorator';

/** Where Nest's `@Get` and the like leave the method; its constant is no part of the package's exports. */
const ROUTE_METHOD = 'method';

interface Decorated {
  /** For messages. */
  readonly subject: string;
  readonly metadata: CachedMetadata;
  /** False for a route that only takes other requests. */
  readonly isGet?: boolean;
}

const CORRECT = 'Correct the options of the decorator, or those of the table';

/** Finds the decorated methods of the whole app. */
@Injectable()
export class CachedExplorer {
  constructor(
    @Inject(DiscoveryService) private readonly discovery: DiscoveryService,
    @Inject(MetadataScanner) private readonly scanner: MetadataScanner,
    @Inject(CACHEFLOW_NAME) private readonly source: string,
    @Inject(CachedRunner) private readonly runner: CachedRunner,
    @Inject(TableKeys) private readonly tableKeys: TableKeys,
    @Inject(ErrorReporter) private readonly reporter: ErrorReporter,
  ) {}

  /**
   * Gives the runner to the instances that Nest did not make and so could not inject it into. The function that it
   * returns says what is wrong with methods, once the watched tables are known; `sources` are those of the app.
   */
  explore(sources: readonly string[]): () => ConfigurationFault[] {
    const found: Decorated[] = [];
    const place = runnerProperty(this.source);
    for (const { instance, prototype } of providedBy(this.discovery)) {
      if (instance && place in prototype) (instance as Record<symbol, unknown>)[place] ??= this.runner;
      for (const { name, target } of methodsOf(this.scanner, prototype)) {
        const cached = cachedMetadataOf(target);
        if (cached) found.push({ subject: `@Cached on ${name}`, metadata: cached });
        const response = cachedResponseOf(target);
        if (response) {
          const route = Reflect.getMetadata(ROUTE_METHOD, target) as RequestMethod | undefined;
          const isGet = route === undefined || route === RequestMethod.GET || route === RequestMethod.ALL;
          found.push({ subject: `@CachedResponse on ${name}`, metadata: response, isGet });
        }
      }
    }
    return () => found.flatMap((each) => this.faultsOf(each, sources));
  }

  private faultsOf(
    { subject, metadata, isGet = true }: Decorated,
    sources: readonly string[],
  ): ConfigurationFault[] {
    const { options, source } = metadata;
    const fault = (problem: string, fix: string): ConfigurationFault[] => [{ subject, problem, fix }];
    if (!sources.includes(source)) {
      return fault(
        `it reads through a source "${source}", which the app does not have`,
        `Set \`source\` to one of ${sources.join(', ')}`,
      );
    }
    if (source !== this.source) return [];
    if (!isGet) return fault('only responses of GET routes are cached', 'Take it away from this one');
    const misread = this.runner.problemOf(options);
    if (misread !== undefined) return fault(misread, CORRECT);
    if ('key' in options) {
      if (!('table' in options) && typeof options.key === 'function') return [];
      return fault('it has to have either a `table` or a `key` function', 'Keep one of them');
    }
    if (typeof options.table !== 'string') {
      return fault('it names neither a table nor a key', "Write e.g. { table: 'user.users' }");
    }
    const problem = this.tableKeys.problemOf(options.table, columnsBy(options), options.row !== undefined);
    if (problem !== undefined) return fault(problem, CORRECT);
    const near = this.tableKeys.missing(options.table);
    if (near) {
      this.reporter.warn(
        `${subject}: ${options.table} does not exist${near.length > 0 ? ` (there is ${near.join(', ')})` : ''}; ` +
          'nothing is cached until it is created',
      );
    }
    return [];
  }
}
