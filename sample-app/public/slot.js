import { flash, make, setText } from './dom.js';

/** The place of one key beside its row: the value and its time to live, or that there is none. */
export function makeSlot(key, hint) {
  const keyLine = make('span', { className: 'key' }, key);
  const ttl = make('span', { className: 'ttl' });
  const value = make('div', { className: 'value' });
  const entryBox = make(
    'div',
    { className: 'entry' },
    make('div', { className: 'line' }, keyLine, ttl),
    value,
  );
  const element = make('div', { className: 'slot empty' }, entryBox);
  let entry;
  let seenAt = 0;
  let known = false;
  let showsLast;

  function showTtl() {
    const millis = entry?.ttlMillis;
    if (!entry) setText(ttl, 'not cached');
    else if (millis === null) setText(ttl, 'no expiry');
    else setText(ttl, `${Math.max(0, Math.ceil((millis - (performance.now() - seenAt)) / 1000))} s`);
  }

  return {
    element,
    /** Takes what Redis has now, and shows what became of it. */
    update(next) {
      const before = entry;
      entry = next;
      seenAt = performance.now();
      element.classList.toggle('empty', !entry);
      showTtl();
      if (entry) {
        clearTimeout(showsLast);
        element.classList.remove('gone');
        setText(value, entry.value ?? '(not a string)');
        if (known && before?.value !== entry.value) flash(element, 'filled');
      } else if (before) {
        // The old value stays in sight, struck out, for a moment.
        element.classList.remove('filled');
        flash(element, 'gone');
        showsLast = setTimeout(() => setText(value, hint), 2400);
      } else if (!known) {
        setText(value, hint);
      }
      known = true;
    },
    tick: showTtl,
  };
}
