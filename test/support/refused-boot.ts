import type { ModuleMetadata } from '@nestjs/common';
import type { ConfigurationFault } from '../../lib';
import { CacheflowConfigurationError } from '../../lib';
import type { AppOptions } from './app';
import { startApp } from './app';

/** Boots an app that must not start because of its configuration, and gives the error that says why. */
export async function refusedBoot(
  options: AppOptions,
  more: ModuleMetadata = {},
): Promise<CacheflowConfigurationError> {
  let app;
  try {
    app = await startApp(options, more);
  } catch (error) {
    if (error instanceof CacheflowConfigurationError) return error;
    throw error;
  }
  await app.close();
  throw new Error('The app started although its configuration is wrong');
}

/** Each fault as `subject: problem | fix`, in the order of the error. */
export function faultLines(faults: readonly ConfigurationFault[]): string[] {
  return faults.map(({ subject, problem, fix }) => `${subject}: ${problem} | ${fix}`);
}
