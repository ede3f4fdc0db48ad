// The rooms of lib/, lowest floor first. A room imports only from floors below its own, type imports included;
// .dependency-cruiser.cjs turns this list into rules, and docs/internals/architecture.md shows it as a picture.
const FLOORS = [
  ['change', 'decode', 'support'],
  ['errors'],
  ['options'],
  ['keys', 'mysql'],
  ['config', 'rows'],
  ['barrier', 'preflight', 'rabbitmq', 'redis'],
  ['cache', 'checkpoint', 'retry'],
  ['events', 'strategy'],
  ['audit', 'distribution', 'pipeline'],
  ['binlog', 'verify'],
  ['group'],
  ['engine'],
  ['cli'],
];

/** Optional parts with an entry point of their own. They import what an app would: lib/index.ts. */
const SATELLITES = ['dashboard', 'health', 'metrics', 'testing'];

/** Their future floor is settled before the first file is written. */
const PLANNED = [...SATELLITES];

module.exports = { FLOORS, SATELLITES, PLANNED };
