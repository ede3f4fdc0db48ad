/** Keeps a list of elements in step with a list of rows, so that what did not change is not touched. */
export function makeRowList(list, makeRow) {
  const rows = new Map();
  return {
    update(items, context) {
      const wanted = new Set(items.map((item) => item.key));
      for (const [key, row] of rows) {
        if (wanted.has(key)) continue;
        row.element.remove();
        rows.delete(key);
      }
      items.forEach((item, index) => {
        let row = rows.get(item.key);
        if (!row) {
          row = makeRow(item);
          rows.set(item.key, row);
        }
        if (list.children[index] !== row.element)
          list.insertBefore(row.element, list.children[index] ?? null);
        row.update(item, context);
      });
    },
    /** Marks the row of a change, if it is in sight. */
    mark(key) {
      rows.get(key)?.mark();
    },
    tick() {
      for (const row of rows.values()) row.slot.tick();
    },
  };
}
