import { resolveConfig } from '../config/cacheflow.config';
import { messageOf } from '../errors/cacheflow.error';
import { CacheflowConfigurationError } from '../errors/configuration.error';
import { DEFAULT_NAME } from '../support/injection-tokens';
import { runVerification } from '../verify/run-verification';
import type { Command } from './command';
import { ExitCode } from './command';
import { ConfigFileError, loadOptions } from './load-options';
import type { VerifyArguments } from './verify.arguments';
import { VERIFY_USAGE, readVerifyArguments } from './verify.arguments';
import { VerifyOutput } from './verify-output';

/** Compares what is cached with the rows of the source. */
export const verifyCommand: Command = {
  name: 'verify',
  usage: VERIFY_USAGE,
  async run(args, streams) {
    const asked = readVerifyArguments(args);
    const output = new VerifyOutput(streams, asked);
    try {
      return await verify(asked, output);
    } catch (error) {
      const isExplained = error instanceof ConfigFileError || error instanceof CacheflowConfigurationError;
      output.say(isExplained ? error.message : `The verification failed: ${messageOf(error)}`);
      return ExitCode.Failed;
    }
  },
};

async function verify(
  { config: file, batch, repair }: VerifyArguments,
  output: VerifyOutput,
): Promise<number> {
  const { name = DEFAULT_NAME, isGlobal: _, ...options } = await loadOptions(file);
  const config = resolveConfig(options);
  if (config.faults.length > 0) throw new CacheflowConfigurationError(name, [...config.faults]);
  const ending = new AbortController();
  const stop = (): void => ending.abort(new Error('it was interrupted'));
  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    const summary = await runVerification({ config, name, listener: output, batch, repair }, ending.signal);
    output.summary(summary);
    return summary.stale + summary.orphans === 0 ? ExitCode.Ok : ExitCode.Found;
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}
