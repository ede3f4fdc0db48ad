const { FLOORS, SATELLITES } = require('./floors.cjs');

const OPTIONAL_PEERS = '(^|/)node_modules/(@liaoliaots/nestjs-redis|@golevelup/nestjs-rabbitmq)/';

/** One rule for each room: what it must not import is every room of its own floor and of those above. */
const roomsLookDown = FLOORS.flatMap((rooms, floor) =>
  rooms.map((room) => {
    const others = [...FLOORS.slice(floor).flat(), ...SATELLITES].filter((each) => each !== room);
    return {
      name: `${room}-looks-down`,
      comment: 'A room imports only from floors below its own: see floors.cjs.',
      severity: 'error',
      from: { path: `^lib/${room}/` },
      to: { path: `^lib/(${others.join('|')})/` },
    };
  }),
);
const satellitesAreOutsiders = SATELLITES.map((room) => ({
  name: `${room}-is-an-outsider`,
  comment: 'An optional part uses the public surface, as an app does.',
  severity: 'error',
  from: { path: `^lib/${room}/` },
  to: { path: '^lib/', pathNot: `^lib/(index\\.ts$|${room}/)` },
}));
const EVERY_ROOM = [...FLOORS.flat(), ...SATELLITES].join('|');

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    ...roomsLookDown,
    {
      name: 'every-room-has-a-floor',
      comment: 'A new folder of lib/ gets its place in floors.cjs first.',
      severity: 'error',
      from: {},
      to: { path: '^lib/[^/]+/', pathNot: `^lib/(${EVERY_ROOM})/` },
    },
    {
      name: 'the-module-is-the-roof',
      comment: 'The files beside the rooms wire them for Nest; no room knows them.',
      severity: 'error',
      from: { path: `^lib/(${FLOORS.flat().join('|')})/` },
      to: { path: '^lib/[^/]+\\.ts$' },
    },
    ...satellitesAreOutsiders,
    {
      name: 'no-circular',
      comment: 'Type-only imports count: they tie files together as well.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'index-is-for-outsiders',
      comment: 'lib/index.ts lists the public surface; inside lib the file itself is imported.',
      severity: 'error',
      from: { path: '^lib/', pathNot: `^lib/(${SATELLITES.join('|')})/` },
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
      from: { path: '^lib/', pathNot: '^lib/mysql/zongji\\.ts$' },
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
