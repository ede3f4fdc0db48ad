import { Injectable, NotFoundException } from '@nestjs/common';
import { Redis } from 'ioredis';
import { DatabaseService } from '../database/database.service';
import { UsersService } from '../users/users.service';
import { type Settings, type SettingsInput, settingsKey } from './settings';

/** Settings in MySQL. Nothing here writes to Redis: the table is write-through, so cacheflow does. */
@Injectable()
export class SettingsService {
  constructor(
    private readonly database: DatabaseService,
    private readonly redis: Redis,
    private readonly users: UsersService,
  ) {}

  list(): Promise<Settings[]> {
    return this.database.select<Settings>('SELECT user_id, theme, newsletter FROM settings ORDER BY user_id');
  }

  /**
   * What Redis has, which is the row of the last change; a row that did not change since the service first
   * started comes from the database.
   *
   * @throws NotFoundException
   */
  async find(userId: number): Promise<Settings> {
    const cached = await this.redis.get(settingsKey(userId));
    return cached === null ? this.findInDatabase(userId) : (JSON.parse(cached) as Settings);
  }

  /** @throws NotFoundException when there is no such user */
  async save(userId: number, { theme, newsletter }: SettingsInput): Promise<Settings> {
    await this.users.findInDatabase(userId);
    await this.database.write('REPLACE INTO settings (user_id, theme, newsletter) VALUES (?, ?, ?)', [
      userId,
      theme,
      newsletter,
    ]);
    return this.findInDatabase(userId);
  }

  private async findInDatabase(userId: number): Promise<Settings> {
    const [settings] = await this.database.select<Settings>(
      'SELECT user_id, theme, newsletter FROM settings WHERE user_id = ?',
      [userId],
    );
    if (!settings) throw new NotFoundException(`User ${userId} has no settings`);
    return settings;
  }
}
