import { CacheflowError } from './cacheflow.error';

/** One thing that is wrong with the options or with the settings of the database. */
export interface ConfigurationFault {
  /** Where the fault is: the path of an option (`tables[2].key`), or what the library checked on the server. */
  readonly subject: string;
  /** What is wrong. */
  readonly problem: string;
  /** What to do about it: SQL to run, or an option to set. */
  readonly fix: string;
}

/** Thrown at startup. Lists every fault that the library found, each with its fix. */
export class CacheflowConfigurationError extends CacheflowError {
  readonly code = 'CACHEFLOW_CONFIGURATION';

  constructor(
    /** The `name` of the source whose configuration is wrong. */
    readonly source: string,
    readonly faults: readonly ConfigurationFault[],
  ) {
    const list = faults.map((fault) => `  - ${fault.subject}: ${fault.problem}\n    Fix: ${fault.fix}`);
    super(
      `Cacheflow "${source}" cannot start, ${faults.length} fault${faults.length === 1 ? '' : 's'}:\n${list.join('\n')}`,
    );
  }
}
