const OPTIONAL_PEERS = '(^|/)node_modules/(@liaoliaots/nestjs-redis|@golevelup/nestjs-rabbitmq)/';

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: 'no-circular',
      comment: 'Rooms know only the next room. Type-only imports count: they tie rooms together as well.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'index-is-for-outsiders',
      comment: 'lib/index.ts lists the public surface; inside lib the file itself is imported.',
      severity: 'error',
      from: { path: '^lib/' },
      to: { path: '^lib/index\\.ts$' },
    },
    {
      name: 'no-optional-peer-import',
      comment:
        'The root must load without the optional peers; they are required when the options ask for them.',
      severity: 'error',
      from: { path: '^lib/' },
      to: {
        path: OPTIONAL_PEERS,
        dependencyTypes: ['import', 'export', 'import-equals'],
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'zongji-in-one-file',
      comment: 'zongji is ESM only; one file loads it, with import().',
      severity: 'error',
      from: { path: '^lib/', pathNot: '^lib/binlog/zongji\\.ts$' },
      to: { path: '(^|/)node_modules/@vlasky/zongji/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'lib-stands-alone',
      comment: 'lib is what is published; the rest of the repository is not.',
      severity: 'error',
      from: { path: '^lib/' },
      to: { path: '^(test|sample-app|bench|scripts)/' },
    },
    {
      name: 'no-dev-dependency',
      comment: 'Users of the package do not get devDependencies.',
      severity: 'error',
      from: { path: '^lib/' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['npm', 'npm-peer'] },
    },
    {
      name: 'no-undeclared-package',
      comment: 'It is there only because another package brought it.',
      severity: 'error',
      from: { path: '^(lib|sample-app)/' },
      to: {
        dependencyTypes: ['npm-no-pkg', 'npm-unknown'],
        dependencyTypesNot: ['npm', 'npm-dev', 'npm-peer'],
      },
    },
    {
      name: 'no-unresolvable',
      comment: 'Neither a file nor an installed package.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['require', 'node', 'default', 'types'],
    },
  },
};
