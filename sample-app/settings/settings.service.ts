import { Injectable } from '@nestjs/common';
import { Cached } from '../../lib';
import { DatabaseService } from '../database/database.service';
import { UsersService } from '../users/users.service';
import type { Settings, SettingsInput } from './settings';

/** Settings in MySQL, which cacheflow writes to Redis at each change: the table is write-through. */
@Injectable()
export class SettingsService {
  constructor(
    private readonly database: DatabaseService,
    private readonly users: UsersService,
  ) {}

  list(): Promise<Settings[]> {
    return this.database.select<Settings>('SELECT user_id, theme, newsletter FROM settings ORDER BY user_id');
  }

  /**
   * What Redis has, which is the row of the last change; null where there is no row. The body runs for a row that
   * did not change since the service first started. It selects all columns, as write-through stores all of them.
   */
  @Cached({ table: 'user.settings', ttlSeconds: 300 })
  async find(userId: number): Promise<Settings | null> {
    const [settings] = await this.database.select<Settings>(
      'SELECT user_id, theme, newsletter FROM settings WHERE user_id = ?',
      [userId],
    );
    return settings ?? null;
  }

  /** @throws NotFoundException when there is no such user */
  async save(userId: number, { theme, newsletter }: SettingsInput): Promise<Settings> {
    await this.users.findInDatabase(userId);
    await this.database.write('REPLACE INTO settings (user_id, theme, newsletter) VALUES (?, ?, ?)', [
      userId,
      theme,
      newsletter,
    ]);
    return { user_id: userId, theme, newsletter: newsletter ? 1 : 0 };
  }
}
