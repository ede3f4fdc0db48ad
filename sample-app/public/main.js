import { api } from './api.js';
import { openChangeStream } from './change-stream.js';
import { makeEngine } from './engine.js';
import { makeFeed } from './feed.js';
import { makeGroup } from './group.js';
import { makeOtherKeys } from './other-keys.js';
import { makeOutside } from './outside.js';
import { makeRace } from './race.js';
import { makeSettings } from './settings.js';
import { showStatus, showUnreachable } from './status.js';
import { makeUsers } from './users.js';

// Changes arrive by themselves; this is for keys that expire or that somebody sets by hand.
const LOOK_MILLIS = 2000;
/** An edit that brought no change within this time did not cause the next one. */
const EXPECT_MILLIS = 5000;

const expected = new Map();
const hands = { refresh, expectChange: (key) => expected.set(key, performance.now()) };
const users = makeUsers(hands);
const settings = makeSettings(hands);
const others = makeOtherKeys();
const outside = makeOutside(hands);
const engine = makeEngine(hands);
const feed = makeFeed();
const group = makeGroup(hands);
makeRace(hands);

let looking = false;
let again = false;

/** Shows what the database and Redis have now; calls that come meanwhile lead to one more look. */
async function refresh() {
  again = true;
  if (looking) return;
  looking = true;
  try {
    while (again) {
      again = false;
      const snapshot = await api.snapshot();
      show(snapshot);
      await group.update(snapshot);
    }
  } catch {
    showUnreachable();
  } finally {
    looking = false;
  }
}

function show(snapshot) {
  const entries = new Map(snapshot.entries.map((entry) => [entry.key, entry]));
  const rowOf = new Map(snapshot.settings.map((row) => [row.user_id, row]));
  const settingsRows = snapshot.users.map(({ id, name }) => ({
    id,
    name,
    key: `user:settings:${id}`,
    row: rowOf.get(id),
  }));
  const mails = new Map(snapshot.mails.map((mail) => [mail.userId, mail]));
  users.update(snapshot.users, { entries, mails });
  settings.update(settingsRows, { entries });
  others.update(entries, new Set([...snapshot.users, ...settingsRows].map(({ key }) => key)));
  outside.update(snapshot);
  engine.update(snapshot);
  feed.showMails(snapshot.mails);
  showStatus(snapshot.status);
}

/** The key of the changed row, by the library's default: database, table, id. */
function keyOf({ schema, table, before, after }) {
  const row = after ?? before;
  return `${schema}:${table}:${row.id ?? row.user_id}`;
}

async function onChange(change) {
  const key = keyOf(change);
  const since = performance.now() - (expected.get(key) ?? -Infinity);
  expected.delete(key);
  if (!feed.add(change, since < EXPECT_MILLIS ? since : undefined)) return;
  await refresh();
  for (const list of [users, settings]) list.mark(key);
}

openChangeStream({ onChange, onOpen: refresh, onBreak: refresh });

setInterval(() => {
  if (!document.hidden) void refresh();
}, LOOK_MILLIS);
setInterval(() => {
  for (const list of [users, settings, others]) list.tick();
}, 500);
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) void refresh();
});
void refresh();
