import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { CacheflowExtras, CacheflowOptions } from '../options/cacheflow.options';
import { isObject } from '../config/option-check';
import { messageOf } from '../errors/cacheflow.error';

/** The file with the options cannot be used; the message says why. */
export class ConfigFileError extends Error {}

/**
 * The options that a file exports, as its default export or as `options`; a function is called. CommonJS and ES
 * modules alike, also the CommonJS that compilers make of ES modules.
 *
 * @throws ConfigFileError when there are none
 */
export async function loadOptions(file: string): Promise<CacheflowOptions & CacheflowExtras> {
  let module: Record<string, unknown>;
  try {
    module = (await import(pathToFileURL(resolve(file)).href)) as Record<string, unknown>;
  } catch (cause) {
    throw new ConfigFileError(`${file} cannot be loaded: ${messageOf(cause)}`, { cause });
  }
  const inner = isObject(module['default']) ? module['default'] : {};
  // Of the CommonJS of a compiled ES module, the default export is a property of what `import` calls the default.
  const candidates = [inner['default'], module['options'], inner['options'], module['default']];
  const given = candidates.find((each) => typeof each === 'function' || isObject(each));
  const options: unknown =
    typeof given === 'function' ? await (given as () => unknown | Promise<unknown>)() : given;
  if (!isObject(options) || Object.keys(options).length === 0) {
    throw new ConfigFileError(
      `${file} exports no options: export the CacheflowOptions as the default export or as \`options\``,
    );
  }
  return options as unknown as CacheflowOptions & CacheflowExtras;
}
