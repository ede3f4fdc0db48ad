import { $, flash, make } from './dom.js';

const SHOWN = 50;

/** The changes, the latest first. */
export function makeFeed() {
  const list = $('feed');
  const seen = new Set();

  return {
    /** @returns whether the change is one that happened just now */
    add(change, millis) {
      // After a restart of the service a change may come again.
      if (seen.has(change.id)) return false;
      seen.add(change.id);
      $('feed-empty').hidden = true;
      const item = makeItem(change, millis);
      list.prepend(item);
      while (list.children.length > SHOWN) list.lastElementChild.remove();
      if (!change.isHistory) flash(item, 'fresh');
      return !change.isHistory;
    },
  };
}

function makeItem({ action, schema, table, before, after, at }, millis) {
  const time = new Date(at);
  return make(
    'li',
    {},
    make('span', { className: `badge ${action}` }, action),
    make('span', { className: 'mono' }, `${schema}.${table}`),
    make(
      'time',
      { dateTime: time.toISOString() },
      millis === undefined ? time.toLocaleTimeString() : `${Math.round(millis)} ms after the edit`,
    ),
    make('div', { className: 'diff' }, ...differences(before, after)),
  );
}

function differences(before, after) {
  const row = after ?? before;
  const identity = Object.keys(row)[0];
  const columns = Object.keys(row).filter((column) => !before || !after || before[column] !== after[column]);
  const parts = [`${identity} ${row[identity]}`];
  for (const column of columns) {
    if (column === identity) continue;
    parts.push(` · ${column} `);
    if (before) parts.push(make('del', {}, String(before[column])));
    if (before && after) parts.push(' → ');
    if (after) parts.push(make('ins', {}, String(after[column])));
  }
  return parts;
}
