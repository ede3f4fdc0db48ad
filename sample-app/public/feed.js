import { $, flash, make, setText } from './dom.js';
import { describeMail } from './mail.js';

const SHOWN = 50;

/** The changes, the latest first. */
export function makeFeed() {
  const list = $('feed');
  const seen = new Set();
  /** What is said of the handler, by the change's id. */
  const notes = new Map();

  return {
    /** @returns whether the change is one that happened just now */
    add(change, millis) {
      // After a restart of the service a change may come again.
      if (seen.has(change.id)) return false;
      seen.add(change.id);
      $('feed-empty').hidden = true;
      const note = make('span', {});
      notes.set(change.id, note);
      const item = makeItem(change, millis, note);
      list.prepend(item);
      while (list.children.length > SHOWN) list.lastElementChild.remove();
      for (const [id, { isConnected }] of notes) if (!isConnected) notes.delete(id);
      if (!change.isHistory) flash(item, 'fresh');
      return !change.isHistory;
    },
    showMails(mails) {
      for (const mail of mails) {
        const note = notes.get(mail.changeId);
        if (note) setText(note, ` · ${describeMail(mail)}`);
      }
    },
  };
}

function makeItem({ action, schema, table, before, after, at, pid }, millis, note) {
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
    make('div', { className: 'by' }, `Read by process ${pid}`, note),
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
