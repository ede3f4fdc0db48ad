// Proves that the package, as npm would publish it, installs without any flag and works under each Nest it
// claims, from CommonJS and ES modules, under Jest and with TypeScript. `node scripts/package-matrix.mjs
// [part of a cell's name]`; needs an installed repository.
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { exec, ROOT } from './lib/exec.mjs';
import { CELLS } from './lib/package-cells.mjs';
import { pack } from './lib/packed-package.mjs';
import { killAll, runToEnd } from './lib/run-to-end.mjs';

const FIXTURES = join(ROOT, 'test/package/fixtures');
const BUILT_SERVERS = join(ROOT, '.build/test/support/servers/index.js');
const INSTALLS_AT_ONCE = 2;
// For what hangs; all the tests may be running beside it.
const INSTALL_TIMEOUT_MILLIS = 300_000;
const RUN_TIMEOUT_MILLIS = 180_000;

const folder = mkdtempSync(join(tmpdir(), 'cacheflow-package-'));
process.on('exit', () => {
  killAll();
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  // Stays in place, since npm and run.mjs may both pass the same signal on.
  process.on(signal, () => process.exit(128 + constants.signals[signal]));
}

const counts = { passed: 0, failed: 0 };
const [filter = ''] = process.argv.slice(2);
let lastTurn = Promise.resolve();
const cells = CELLS.filter(({ name }) => name.includes(filter));

const packed = await pack(join(folder, 'tarball'), environment());
report('what the package holds', packed.faults, `${packed.files.length} files`);
if (packed.tarball) {
  const servers = cells.some(({ needsServers }) => needsServers) ? await startServers() : undefined;
  try {
    const waiting = cells.entries();
    const worker = async () => {
      for (const [index, cell] of waiting) {
        await prove(cell, index, servers).catch((error) => report(cell.name, [error.stack], 'broken off'));
      }
    };
    await Promise.all(Array.from({ length: INSTALLS_AT_ONCE }, worker));
  } finally {
    await servers?.dispose();
  }
}
console.log(`${counts.passed} passed, ${counts.failed} failed`);
process.exit(counts.failed === 0 ? 0 : 1);

/** Installs a cell and runs its commands. */
async function prove(cell, index, servers) {
  const cwd = join(folder, `cell-${index}`);
  mkdirSync(cwd);
  for (const files of cell.files) cpSync(join(FIXTURES, files), cwd, { recursive: true });
  const manifest = {
    private: true,
    dependencies: { ...cell.dependencies, 'nestjs-cacheflow': `file:${packed.tarball}` },
    overrides: cell.overrides,
  };
  writeFileSync(join(cwd, 'package.json'), JSON.stringify(manifest, undefined, 2));

  const args = ['install', '--no-audit', '--no-fund', ...(cell.strictPeers ? ['--strict-peer-deps'] : [])];
  const started = Date.now();
  const env = environment();
  const installed = await runToEnd('npm', args, { cwd, env, timeoutMillis: INSTALL_TIMEOUT_MILLIS });
  const refused = installed.code !== 0 || installed.output.includes('ERESOLVE');
  const note = `installed in ${seconds(started)}${cell.strictPeers ? ' with --strict-peer-deps' : ''}`;
  if (refused) return report(cell.name, [installed.output], note);

  for (const run of cell.runs) {
    const name = run.name ? `${cell.name}: ${run.name}` : cell.name;
    const { faults, took } = await (cell.needsServers
      ? oneAtATime(() => boot(cell, run, cwd, servers))
      : execute(run, cwd, {}));
    report(name, faults, `${note}, ran in ${took}`);
  }
}

/** Runs a command of a cell on a fresh database and an empty Redis. */
async function boot(cell, run, cwd, { sql, redis }) {
  await redis.command('FLUSHALL');
  await sql.query(
    'DROP DATABASE IF EXISTS app; CREATE DATABASE app; CREATE TABLE app.users (id INT PRIMARY KEY, name VARCHAR(50))',
  );
  const settings = {
    variant: cell.variant,
    database: 'app',
    mysql: sql.connectionOptions(),
    redis: { host: redis.host, port: redis.port },
  };
  return execute(run, cwd, { CACHEFLOW_PACKAGE_TEST: JSON.stringify(settings) });
}

async function execute({ command: [command, ...args] }, cwd, more) {
  const started = Date.now();
  const env = { ...environment(), ...more };
  const { code, output } = await runToEnd(command, args, { cwd, env, timeoutMillis: RUN_TIMEOUT_MILLIS });
  return { faults: code === 0 ? [] : [`exit code ${code}`, output], took: seconds(started) };
}

/** The apps share one source and one Redis, so they take turns; the installs go on meanwhile. */
function oneAtATime(task) {
  const result = lastTurn.then(task);
  lastTurn = result.catch(() => undefined);
  return result;
}

async function startServers() {
  if (!existsSync(BUILT_SERVERS)) await exec('tsc', ['-p', 'tsconfig.run.json']);
  const { startMysql, startRedis } = await import(pathToFileURL(BUILT_SERVERS).href);
  const [sql, redis] = await Promise.all([startMysql(), startRedis()]);
  return { sql, redis, dispose: () => Promise.all([sql.dispose(), redis.dispose()]) };
}

/** This environment, without what npm and test runners of the repository have put into it. */
function environment() {
  const inherited = Object.entries(process.env).filter(
    ([name]) =>
      !/^(npm_(package|lifecycle|command)|npm_config_(local_)?prefix$|npm_config_workspace|NODE_OPTIONS$|VITEST)/i.test(
        name,
      ),
  );
  // npm's own defaults, whatever the settings of the user say: the promise is that no flag is needed.
  const defaults = {
    npm_config_force: 'false',
    npm_config_legacy_peer_deps: 'false',
    npm_config_install_strategy: 'hoisted',
    npm_config_prefer_offline: 'true',
    npm_config_update_notifier: 'false',
  };
  return { ...Object.fromEntries(inherited), ...defaults, NO_COLOR: '1' };
}

function report(name, faults, note) {
  const failed = faults.length > 0;
  counts[failed ? 'failed' : 'passed']++;
  console.log(`${failed ? 'FAIL' : 'ok  '} ${name} (${note})`);
  for (const line of faults.join('\n').split('\n')) if (line) console.log(`       ${line}`);
}

function seconds(since) {
  return `${((Date.now() - since) / 1000).toFixed(1)} s`;
}
