import type { Random } from '../random';

/** Names in each row mean the same savepoint to both servers, whose comparison knows no case and no accents. */
const SAVEPOINT_NAMES: readonly (readonly string[])[] = [
  ['s', 'S', '`s`', '`ß`'],
  ['größe', 'GRÖßE', '`Größe`', 'grose'],
  ['`a``b`', '`A``B`'],
  ['`数据 点`'],
  ['`rollback to s`', '`ROLLBACK TO S`'],
];
const STEPS = { from: 4, to: 12 };

/**
 * Puts savepoints, returns to them and releases between the parts of a transaction, in an order that the server
 * accepts: nested ones, names used again, other spellings of a name.
 */
export function withSavepoints(
  parts: readonly string[],
  random: Random,
  names: readonly (readonly string[])[] = SAVEPOINT_NAMES,
): string[] {
  const left = [...parts];
  // The savepoints that are set, by the row of their name, the latest last.
  let set: (readonly string[])[] = [];
  const steps: string[] = [];
  const length = random.int(STEPS.from, STEPS.to);
  for (let step = 0; step < length || left.length > 0; step++) {
    const choice = random.next();
    if (choice < 0.35 && left.length > 0) steps.push(left.shift() ?? '');
    else if (choice < 0.65) {
      const name = random.pick(names);
      // One of the same name goes, wherever it stood.
      set = [...set.filter((each) => each !== name), name];
      steps.push(`SAVEPOINT ${random.pick(name)}`);
    } else if (set.length > 0 && choice < 0.9) {
      const at = random.int(0, set.length - 1);
      const name = random.pick(set[at] ?? []);
      set = set.slice(0, at + 1);
      steps.push(`${random.pick(['ROLLBACK TO', 'ROLLBACK TO SAVEPOINT', 'rollback work to'])} ${name}`);
    } else if (set.length > 0) {
      const at = random.int(0, set.length - 1);
      const name = random.pick(set[at] ?? []);
      set = set.slice(0, at);
      steps.push(`RELEASE SAVEPOINT ${name}`);
    }
  }
  return steps;
}
