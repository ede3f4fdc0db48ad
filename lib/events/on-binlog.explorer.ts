import { Inject, Injectable } from '@nestjs/common';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import { CACHEFLOW_NAME } from '../support/injection-tokens';
import type { ConfigurationFault } from '../errors/configuration.error';
import { ErrorReporter } from '../errors/error-reporter';
import type { ChangeAction, ChangeEvent } from '../change/change-event';
import type { OnBinlogMetadata } from './on-binlog.decorator';
import { onBinlogMetadataOf } from './on-binlog.decorator';
import { TablePattern } from '../keys/table-pattern';
import { methodsOf, providedBy } from '../support/provided-methods';

/** A decorated method, bound to its instance. */
export interface BinlogHandler {
  /** `Class.method`. */
  readonly name: string;
  readonly patterns: readonly TablePattern[];
  readonly actions: ReadonlySet<ChangeAction> | undefined;
  /** It runs in every process. */
  readonly everywhere: boolean;
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
    for (const { wrapper, instance, prototype } of providedBy(this.discovery)) {
      for (const { name, method, target } of methodsOf(this.scanner, prototype)) {
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
        const handle = (event: ChangeEvent): unknown => (instance as Instance | null)?.[method]?.(event);
        for (const { patterns, actions: listed, everywhere } of metadata) {
          const read = readPatterns(patterns, name);
          const actions = listed && new Set(listed);
          if ('fault' in read) faults.push(read.fault);
          else handlers.push({ name, patterns: read.patterns, actions, everywhere, handle });
        }
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

function readPatterns(
  sources: readonly string[],
  name: string,
): { readonly patterns: TablePattern[] } | { readonly fault: ConfigurationFault } {
  try {
    return { patterns: sources.map((source) => new TablePattern(source)) };
  } catch (error) {
    const fix = "Name the table as 'db.table', e.g. @OnBinlog('user.users')";
    return { fault: { subject: `@OnBinlog on ${name}`, problem: (error as SyntaxError).message, fix } };
  }
}
