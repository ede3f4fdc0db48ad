import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './exec.mjs';
import { runToEnd } from './run-to-end.mjs';

const BELONGS =
  /^(dist\/.+\.(js|d\.ts)|docs\/.+\.(md|schema\.json)|README(\.zh-CN)?\.md|CHANGELOG\.md|LICENSE|package\.json)$/;

/**
 * Builds and packs the repository, as `npm publish` would. Gives the tarball, the files in it, and what is
 * wrong with them, one line a fault; no tarball when there is none.
 */
export async function pack(folder, env) {
  mkdirSync(folder);
  const packing = { cwd: ROOT, env, timeoutMillis: 300_000 };
  const packed = await runToEnd('npm', ['pack', '--pack-destination', folder], packing);
  const name = readdirSync(folder).find((file) => file.endsWith('.tgz'));
  if (packed.code !== 0 || !name) return { files: [], faults: ['npm pack failed', packed.output] };
  const tarball = join(folder, name);
  const listed = await runToEnd('tar', ['-tzf', tarball], packing);
  if (listed.code !== 0) return { files: [], faults: ['tar cannot read the package', listed.output] };
  const files = listed.output
    .trim()
    .split('\n')
    .map((file) => file.replace(/^package\//, ''));
  return { tarball, files, faults: faultsOf(files) };
}

function faultsOf(files) {
  const strangers = files.filter((file) => !BELONGS.test(file)).map((file) => `does not belong: ${file}`);
  const present = new Set(files);
  const { main, types, exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const named = [main, types, ...targetsOf(exports), 'package.json', 'LICENSE'];
  const missing = [...new Set(named.map((file) => file.replace(/^\.\//, '')))]
    .filter((file) => !present.has(file))
    .map((file) => `is missing: ${file}`);
  return [...strangers, ...missing];
}

function targetsOf(exports) {
  return typeof exports === 'string' ? [exports] : Object.values(exports).flatMap(targetsOf);
}
