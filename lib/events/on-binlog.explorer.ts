import { Inject, Injectable } from '@nestjs/common';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import type { InstanceWrapper } from '@nestjs/core/injector/instance-wrapper';
import { CACHEFLOW_NAME } from '../support/injection-tokens';
import type { ConfigurationFault } from '../errors/configuration.error';
import { ErrorReporter } from '../errors/error-reporter';
import type { ChangeAction, ChangeEvent } from '../change/change-event';
import type { OnBinlogMetadata } from './on-binlog.decorator';
import { onBinlogMetadataOf } from './on-binlog.decorator';
import { TablePattern } from '../keys/table-pattern';

/** A decorated method, bound to its instance. */
export interface BinlogHandler {
  /** `Class.method`. */
  readonly name: string;
  readonly patterns: readonly TablePattern[];
  readonly actions: ReadonlySet<ChangeAction> | undefined;
  handle(event: ChangeEvent): unknown;
}

type Instance = Record<string, (event: ChangeEvent) => unknown>;

/** Finds the `@OnBinlog` methods of the whole app that listen to this source. */
@Injectable()
export class OnBinlogExplorer {
  constructor(
    @Inject(DiscoveryService) private readonly discovery: DiscoveryService,
    @Inject(MetadataScanner) private readonly scanner: MetadataScanner,
    @Inject(CACHEFLOW_NAME) private readonly source: string,
    @Inject(ErrorReporter) private readonly reporter: ErrorReporter,
  ) {}

  /** The handlers, and what is wrong with others; `sources` are the names of all sources of the app. */
  explore(sources: readonly string[]): { handlers: BinlogHandler[]; faults: ConfigurationFault[] } {
    const handlers: BinlogHandler[] = [];
    const faults: ConfigurationFault[] = [];
    const wrappers = [...this.discovery.getProviders(), ...this.discovery.getControllers()];
    // The same instance may be provided more than once, by an alias or a factory that passes it on.
    const seen = new Set<object>();
    for (const wrapper of wrappers.filter((each) => !each.isAlias)) {
      const prototype = prototypeOf(wrapper);
      const instance = wrapper.instance as Instance | null;
      if (!prototype || (instance && seen.has(instance))) continue;
      if (instance) seen.add(instance);
      for (const method of this.scanner.getAllMethodNames(prototype)) {
        const target = (prototype as Record<string, unknown>)[method];
        if (typeof target !== 'function') continue;
        // Not the wrapper's name, which is the provider's token and may be a symbol.
        const name = `${prototype.constructor.name}.${method}`;
        const decorations = onBinlogMetadataOf(target);
        faults.push(...decorations.flatMap((each) => decorationFaults(each, name, sources)));
        const metadata = decorations.filter((each) => each.source === this.source);
        if (metadata.length === 0) continue;
        if (!wrapper.isDependencyTreeStatic() || wrapper.isTransient) {
          const scope = wrapper.isTransient ? 'transient' : 'request-scoped';
          this.reporter.warn(
            `@OnBinlog handler ${name} is never called, because its class is ${scope}: make it a singleton`,
          );
          continue;
        }
        const handle = (event: ChangeEvent): unknown => instance?.[method]?.(event);
        for (const each of metadata) addHandler(each, name, handle, handlers, faults);
      }
    }
    return { handlers, faults };
  }
}

const ACTIONS: readonly string[] = ['insert', 'update', 'delete'] satisfies ChangeAction[];

/** What types would have caught, in JavaScript, and a source that the app does not have. */
function decorationFaults(
  { source, actions = [] }: OnBinlogMetadata,
  name: string,
  sources: readonly string[],
): ConfigurationFault[] {
  const subject = `@OnBinlog on ${name}`;
  const faults = actions
    .filter((action) => !ACTIONS.includes(action))
    .map((action) => ({
      subject,
      problem: `there is no action "${action}"`,
      fix: `Use ${ACTIONS.join(', ')}`,
    }));
  if (sources.includes(source)) return faults;
  const problem = `it listens to a source "${source}", which the app does not have, so that it would never be called`;
  return [...faults, { subject, problem, fix: `Set \`source\` to one of ${sources.join(', ')}` }];
}

function addHandler(
  metadata: OnBinlogMetadata,
  name: string,
  handle: (event: ChangeEvent) => unknown,
  handlers: BinlogHandler[],
  faults: ConfigurationFault[],
): void {
  try {
    const patterns = metadata.patterns.map((source) => new TablePattern(source));
    const actions = metadata.actions && new Set(metadata.actions);
    handlers.push({ name, patterns, actions, handle });
  } catch (error) {
    faults.push({
      subject: `@OnBinlog on ${name}`,
      problem: (error as SyntaxError).message,
      fix: "Name the table as 'db.table', e.g. @OnBinlog('user.users')",
    });
  }
}

/** Instances with a null prototype and values that are no objects have no methods to look at. */
function prototypeOf(wrapper: InstanceWrapper): object | undefined {
  const instance: unknown = wrapper.instance;
  if (typeof instance === 'object' && instance !== null) {
    return (Object.getPrototypeOf(instance) as object | null) ?? undefined;
  }
  // Request-scoped providers have no instance yet, but a class.
  return typeof wrapper.metatype === 'function'
    ? (wrapper.metatype.prototype as object | undefined)
    : undefined;
}
