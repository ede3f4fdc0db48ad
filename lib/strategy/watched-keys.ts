/** Tells whether the tail has touched a key since the watch began. */
export interface KeyWatch {
  readonly isTouched: boolean;
  end(): void;
}

interface Watch {
  readonly schema: string;
  readonly table: string;
  isTouched: boolean;
}

/**
 * The keys that somebody looks at: whatever the tail does to them is noted before it is done. Nothing is noted, and
 * nothing costs, while nobody looks.
 */
export class WatchedKeys {
  private readonly watches = new Map<string, Set<Watch>>();

  /** @param owner the table whose rows have the key */
  watch(key: string, owner: { readonly schema: string; readonly table: string }): KeyWatch {
    const watch: Watch = {
      schema: owner.schema.toLowerCase(),
      table: owner.table.toLowerCase(),
      isTouched: false,
    };
    const ofKey = this.watches.get(key) ?? new Set();
    this.watches.set(key, ofKey.add(watch));
    return {
      get isTouched() {
        return watch.isTouched;
      },
      end: () => {
        ofKey.delete(watch);
        if (ofKey.size === 0 && this.watches.get(key) === ofKey) this.watches.delete(key);
      },
    };
  }

  /** The key is set or removed. */
  touch(key: string): void {
    if (this.watches.size === 0) return;
    for (const watch of this.watches.get(key) ?? []) watch.isTouched = true;
  }

  /** All keys of a table are removed; without a table those of a database, without both all there are. */
  touchTable(schema: string | undefined, table: string | undefined): void {
    for (const ofKey of this.watches.values()) {
      for (const watch of ofKey) {
        if (schema !== undefined && watch.schema !== schema.toLowerCase()) continue;
        if (table !== undefined && watch.table !== table.toLowerCase()) continue;
        watch.isTouched = true;
      }
    }
  }
}
