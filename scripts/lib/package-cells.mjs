// What the package matrix installs and runs. Each cell is one consumer of the packed package, in a folder of
// its own, installed with nothing but what is named here.

const CORE = { 'reflect-metadata': '^0.2.2', rxjs: '^7.8.2', mysql2: '^3.22.5' };
const IOREDIS_5 = { ioredis: '^5.9.2' };
const IOREDIS_6 = { ioredis: '^6.0.0' };
const NEST_REDIS = { '@liaoliaots/nestjs-redis': '^10.0.0' };
const TYPESCRIPT = { typescript: '~5.9.3', '@types/node': '^20.9.5' };
const NEST_OF_THE_APP = { '@nestjs/common': '$@nestjs/common', '@nestjs/core': '$@nestjs/core' };

function nest(major) {
  return { '@nestjs/common': `^${major}.0.0`, '@nestjs/core': `^${major}.0.0` };
}

/** An app that boots on real servers and proves that an update removes its key. */
function app(name, format, major, variant, more) {
  const entry = format === 'ESM' ? 'app.mjs' : 'app.cjs';
  return {
    name: `Nest ${major}, ${format}, ${name}`,
    files: ['shared', format.toLowerCase()],
    variant,
    needsServers: true,
    runs: [{ command: ['node', entry] }],
    ...more,
    dependencies: { ...CORE, ...nest(major), ...more.dependencies },
  };
}

/** A consumer's source that must compile, with `skipLibCheck` off. */
function typescript(major, resolutions) {
  return {
    name: `Nest ${major}, TypeScript`,
    files: ['ts'],
    dependencies: { ...CORE, ...nest(major), ...IOREDIS_5, ...TYPESCRIPT },
    runs: resolutions.map((resolution) => ({
      name: `types, ${resolution}`,
      command: ['node', 'node_modules/typescript/bin/tsc', '-p', `tsconfig.${resolution}.json`],
    })),
  };
}

/**
 * - `files`: folders of test/package/fixtures that are copied into the cell
 * - `runs`: commands that must end by themselves, with exit code 0
 * - `needsServers`: each run gets a fresh database and an empty Redis
 */
export const CELLS = [
  app('ioredis 5, forRoot', 'CJS', 10, 'forRoot', { dependencies: IOREDIS_5, strictPeers: true }),
  app('nestjs-redis', 'ESM', 10, 'nestjsRedis', { dependencies: { ...IOREDIS_5, ...NEST_REDIS } }),
  app('ioredis 5, nestjs-redis + overrides', 'CJS', 11, 'nestjsRedis', {
    dependencies: { ...IOREDIS_5, ...NEST_REDIS },
    overrides: { '@liaoliaots/nestjs-redis': NEST_OF_THE_APP },
  }),
  app('ioredis 6, forRootAsync', 'ESM', 11, 'forRootAsync', { dependencies: IOREDIS_6, strictPeers: true }),
  app('ioredis 5, forRootAsync', 'CJS', 12, 'forRootAsync', { dependencies: IOREDIS_5, strictPeers: true }),
  app('ioredis 5, nestjs-redis + overrides', 'ESM', 12, 'nestjsRedis', {
    dependencies: { ...IOREDIS_5, ...NEST_REDIS },
    // All three, or npm does not come to an end.
    overrides: {
      '@liaoliaots/nestjs-redis': NEST_OF_THE_APP,
      '@golevelup/nestjs-rabbitmq': NEST_OF_THE_APP,
      '@golevelup/nestjs-discovery': NEST_OF_THE_APP,
    },
  }),
  {
    name: 'Nest 11, Jest 30',
    files: ['shared', 'jest'],
    variant: 'forRoot',
    needsServers: true,
    dependencies: { ...CORE, ...nest(11), ...IOREDIS_5, '@nestjs/testing': '^11.0.0', jest: '^30.0.0' },
    runs: [
      { name: 'loads and is mocked', command: ['node', 'node_modules/jest/bin/jest.js', 'loads'] },
      // zongji is an ES module, and Jest refuses import() in CommonJS: the library finds a way around that.
      { name: 'boots without a flag', command: ['node', 'node_modules/jest/bin/jest.js', 'boots'] },
    ],
  },
  // Under `node16`, TypeScript lets no CommonJS file import the ES modules of Nest 12; `nodenext` does.
  typescript(11, ['node16', 'bundler']),
  typescript(12, ['nodenext', 'bundler']),
];
