import { resolveConfig } from '../config/cacheflow.config';
import { DEFAULT_NAME } from '../support/injection-tokens';
import { messageOf } from '../errors/cacheflow.error';
import type { ConfigurationFault } from '../errors/configuration.error';
import { CacheflowConfigurationError } from '../errors/configuration.error';
import { runVerification } from '../verify/run-verification';
import type { VerifyArguments } from './arguments';
import { USAGE, UsageError, readArguments } from './arguments';
import { loadOptions } from './load-options';
import type { Streams } from './output';
import { Output } from './output';

const CODES = { agree: 0, faults: 1, failed: 2 };

/** Runs what a command line asks for; resolves with the exit code and never rejects. */
export async function runCommand(
  args: readonly string[],
  streams: Streams = { out: process.stdout, err: process.stderr },
): Promise<number> {
  let command: VerifyArguments | 'help';
  try {
    command = readArguments(args);
  } catch (error) {
    streams.err.write(`${messageOf(error)}\n\n${USAGE}`);
    return CODES.failed;
  }
  if (command === 'help') {
    streams.out.write(USAGE);
    return CODES.agree;
  }
  const output = new Output(streams, command);
  try {
    return await verify(command, output);
  } catch (error) {
    output.say(
      error instanceof UsageError || error instanceof CacheflowConfigurationError
        ? error.message
        : `The verification failed: ${messageOf(error)}`,
    );
    return CODES.failed;
  }
}

async function verify(command: VerifyArguments, output: Output): Promise<number> {
  const { name = DEFAULT_NAME, isGlobal: _, ...options } = await loadOptions(command.config);
  const config = resolveConfig(options);
  const faults: ConfigurationFault[] = [...config.faults];
  if (faults.length > 0) throw new CacheflowConfigurationError(name, faults);
  const ending = new AbortController();
  const stop = (): void => ending.abort(new Error('it was interrupted'));
  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    const summary = await runVerification(
      { config, name, listener: output, batch: command.batch, repair: command.repair },
      ending.signal,
    );
    output.summary(summary);
    return summary.stale + summary.orphans === 0 ? CODES.agree : CODES.faults;
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}
