import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const ROOT = join(__dirname, '../..');
/** tsc's exit code for type errors that did not keep it from writing; `npm run types` is the check for these. */
const EMITTED_WITH_ERRORS = 2;

/** Compiles what tests start as processes of their own; vitest calls it once, before all projects. */
export default function buildRunTree(): void {
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.run.json'], {
    cwd: ROOT,
    stdio: 'inherit',
  });
  if (status !== 0 && status !== EMITTED_WITH_ERRORS) throw new Error(`tsc ended with code ${status}`);
}
