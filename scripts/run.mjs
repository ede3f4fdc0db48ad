// The entry of the npm scripts: `node scripts/run.mjs <command> [args...]`. Installs what is missing first,
// so that each of them works straight after `git clone`. Needs nothing but Node.
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { exec, ROOT } from './lib/exec.mjs';
import { isInstalled } from './lib/installed.mjs';
import { redisSuite, TOPOLOGIES } from './lib/redis-suite.mjs';

const PACKAGE_MATRIX = join(ROOT, 'scripts/package-matrix.mjs');
const BUILT_SERVERS = join(ROOT, '.build/test/support/servers/index.js');

const commands = {
  async build() {
    rmSync(join(ROOT, 'dist'), { recursive: true, force: true });
    return exec('tsc', ['-p', 'tsconfig.build.json']);
  },
  async test(args) {
    await buildRunTree();
    const { prepareServers } = await import(pathToFileURL(BUILT_SERVERS).href);
    await prepareServers();
    // Beside the tests, which leave the processors idle now and then; what it says comes after what they say.
    const said = [];
    const packaging = existsSync(PACKAGE_MATRIX)
      ? exec(process.execPath, [PACKAGE_MATRIX], { take: (text) => said.push(text) })
      : 0;
    const [tested, packaged] = await Promise.all([exec('vitest', ['run', ...args]), packaging]);
    process.stdout.write(said.join(''));
    return Math.max(tested, packaged);
  },
  async 'test:redis'(args) {
    const { values, positionals } = parseArgs({
      args,
      options: { redis: { type: 'string' } },
      allowPositionals: true,
    });
    if (!TOPOLOGIES.includes(values.redis)) {
      console.error(`Usage: npm run test:redis -- --redis ${TOPOLOGIES.join('|')} [file…]`);
      return 2;
    }
    await buildRunTree();
    process.env.CACHEFLOW_TEST_REDIS = values.redis;
    return exec('vitest', ['run', ...(positionals.length > 0 ? positionals : redisSuite(values.redis))]);
  },
  async vitest(args) {
    return exec('vitest', ['run', ...args]);
  },
  async demo(args) {
    await buildRunTree();
    return exec(process.execPath, ['.build/sample-app/demo.js', ...args]);
  },
  async bench(args) {
    await buildRunTree();
    return exec(process.execPath, ['--expose-gc', '.build/bench/index.js', ...args]);
  },
  async 'bench:races'(args) {
    await buildRunTree();
    return exec(process.execPath, ['.build/bench/races/index.js', ...args]);
  },
  async 'bench:xa'(args) {
    await buildRunTree();
    return exec(process.execPath, ['.build/bench/xa/index.js', ...args]);
  },
  async scale(args) {
    await buildRunTree();
    return exec(process.execPath, ['.build/bench/scale/index.js', ...args]);
  },
  async chaos(args) {
    await buildRunTree();
    return exec(process.execPath, ['.build/test/promises/chaos/index.js', ...args]);
  },
  async package(args) {
    return exec(process.execPath, [PACKAGE_MATRIX, ...args]);
  },
};

/** What demo, bench and the servers run from: lib, sample-app, bench and test/support as JavaScript. */
async function buildRunTree() {
  await mustSucceed('tsc', ['-p', 'tsconfig.run.json']);
}

async function mustSucceed(command, args) {
  const code = await exec(command, args);
  if (code !== 0) process.exit(code);
}

// npm's shell does not pass a SIGTERM on; without a parent nobody would be left to end us.
const parent = process.ppid;
const watch = setInterval(() => {
  if (process.ppid === parent) return;
  clearInterval(watch);
  process.kill(process.pid, 'SIGTERM');
}, 1_000).unref();

const [name, ...args] = process.argv.slice(2);
const command = Object.hasOwn(commands, name ?? '') ? commands[name] : undefined;
if (!command) {
  console.error(`Usage: node scripts/run.mjs ${Object.keys(commands).join('|')} [args...]`);
  process.exit(2);
}
if (!isInstalled()) {
  console.log('Installing the dependencies (npm ci) …');
  await mustSucceed('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
}
try {
  process.exitCode = await command(args);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
