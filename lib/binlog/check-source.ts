import type { CacheflowConfig } from '../config/cacheflow.config';
import { messageOf } from '../errors/cacheflow.error';
import type { ErrorReporter } from '../errors/error-reporter';
import { SourceUnavailableError } from '../errors/source.errors';
import { accessFault } from '../mysql/source-faults';
import { lookAtSource } from '../preflight/preflight';
import type { PreflightResult } from '../preflight/preflight-result';

/** What a look at the source tells before anything starts. */
export interface SourceCheck extends Pick<PreflightResult, 'faults' | 'shapes' | 'position'> {
  /** Why it could not be looked at, which is no fault: it is waited for later. */
  readonly unreachable?: string;
}

/** Looks at the source over a connection of its own. Rejects only with the signal's reason. */
export async function checkSource(
  config: CacheflowConfig,
  errors: ErrorReporter,
  signal: AbortSignal,
): Promise<SourceCheck> {
  try {
    const { faults, shapes, position, warnings } = await lookAtSource(config, signal);
    for (const warning of warnings) errors.warn(warning);
    return { faults, shapes, position };
  } catch (cause) {
    signal.throwIfAborted();
    const fault = accessFault(cause, config.mysql);
    if (fault) return { faults: [fault], shapes: [] };
    const error = new SourceUnavailableError(
      `The source cannot be reached (${messageOf(cause)}); the app starts without it, and it is waited for`,
      { cause },
    );
    errors.report(error);
    return { faults: [], shapes: [], unreachable: error.message };
  }
}
