import { $, make } from './dom.js';
import { makeRowList } from './row-list.js';
import { makeSlot } from './slot.js';

/** Keys of which no row is in sight: shown only when there are any. */
export function makeOtherKeys() {
  const list = makeRowList($('other-keys'), ({ key }) => {
    const slot = makeSlot(key, '');
    return {
      element: make('li', {}, slot.element),
      slot,
      update: (entry) => slot.update(entry),
      mark: () => undefined,
    };
  });
  return {
    update(entries, ownKeys) {
      const others = [...entries.values()].filter(({ key }) => !ownKeys.has(key));
      $('others').hidden = others.length === 0;
      list.update(others);
    },
    tick: list.tick,
  };
}
