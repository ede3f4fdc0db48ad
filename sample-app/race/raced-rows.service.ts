import { Injectable } from '@nestjs/common';
import { Redis } from 'ioredis';
import { CacheflowService, type TableOptions } from '../../lib';
import { DatabaseService } from '../database/database.service';

/** The table that is raced over, and nothing else. By their prefix its keys stay out of the page's list of keys. */
export const RACED_TABLE = { db: 'user', table: 'raced', prefix: 'race:' } as const satisfies TableOptions;

const ROWS = 200;
const CAUGHT_UP_TIMEOUT_MILLIS = 3_000;

export interface RacedRow {
  id: number;
  version: number;
}

/** What is at the key of a row: what the row has, something older, or nothing. */
export type KeyState = 'right' | 'stale' | 'absent';

/** The rows of user.raced and their keys. */
@Injectable()
export class RacedRows {
  readonly ids = Array.from({ length: ROWS }, (_, index) => index + 1);

  constructor(
    private readonly database: DatabaseService,
    private readonly redis: Redis,
    private readonly cacheflow: CacheflowService,
  ) {}

  keyOf(id: number): string {
    return this.cacheflow.keyOf('user.raced', { id });
  }

  async load(id: number): Promise<RacedRow | null> {
    const [row] = await this.database.select<RacedRow>('SELECT id, version FROM raced WHERE id = ?', [id]);
    return row ?? null;
  }

  async change(id: number): Promise<void> {
    await this.database.write('UPDATE raced SET version = version + 1 WHERE id = ?', [id]);
  }

  /** All rows as they are before a race, and nothing cached. @throws CaughtUpTimeoutError */
  async reset(): Promise<void> {
    const values = this.ids.map((id) => `(${id}, 1)`).join(', ');
    await this.database.write(`REPLACE INTO raced (id, version) VALUES ${values}`);
    await this.caughtUp();
    await this.uncache();
  }

  async uncache(): Promise<void> {
    await this.cacheflow.invalidate(...this.ids.map((id) => this.keyOf(id)));
  }

  /** Each key beside its row, in the order of the ids, after all changes had their effect. @throws CaughtUpTimeoutError */
  async compare(): Promise<KeyState[]> {
    await this.caughtUp();
    const rows = await this.database.select<RacedRow>('SELECT id, version FROM raced ORDER BY id');
    const texts = await this.redis.mget(rows.map(({ id }) => this.keyOf(id)));
    return rows.map(({ version }, index) => {
      const text = texts[index];
      if (text === null || text === undefined) return 'absent';
      return (JSON.parse(text) as RacedRow | null)?.version === version ? 'right' : 'stale';
    });
  }

  private async caughtUp(): Promise<void> {
    await this.cacheflow.caughtUp({ timeoutMillis: CAUGHT_UP_TIMEOUT_MILLIS });
  }
}
