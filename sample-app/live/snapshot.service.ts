import { Injectable } from '@nestjs/common';
import { Redis } from 'ioredis';
import { CacheflowService, type CacheflowStatus, type DeadLetter } from '../../lib';
import { AppConfig } from '../app.config';
import { type WelcomeMail, WelcomeMailsService } from '../mail/welcome-mails.service';
import type { Settings } from '../settings/settings';
import { SettingsService } from '../settings/settings.service';
import type { User } from '../users/user';
import { UsersService } from '../users/users.service';
import { DeadLettersService } from './dead-letters.service';

const KEYS = 'user:*';
const MAX_KEYS = 500;

/** One key as it is in Redis. */
export interface CacheEntry {
  key: string;
  /** Null for a key that does not hold a string. */
  value: string | null;
  /** Null for a key that stays until it is changed. */
  ttlMillis: number | null;
}

/** Everything that the page shows. */
export interface Snapshot {
  users: (User & { key: string })[];
  settings: (Settings & { key: string })[];
  mails: WelcomeMail[];
  entries: CacheEntry[];
  status: CacheflowStatus;
  deadLetters: DeadLetter[];
  servers: { mysql: { host: string; port: number; user: string }; redis: { host: string; port: number } };
}

/** Looks at the database and at Redis as they are, past every cache. */
@Injectable()
export class SnapshotService {
  constructor(
    private readonly config: AppConfig,
    private readonly users: UsersService,
    private readonly settings: SettingsService,
    private readonly redis: Redis,
    private readonly cacheflow: CacheflowService,
    private readonly mails: WelcomeMailsService,
    private readonly deadLetters: DeadLettersService,
  ) {}

  async take(): Promise<Snapshot> {
    const { host, port, user } = this.config.mysql;
    const [users, settings, mails, entries, deadLetters] = await Promise.all([
      this.users.list(),
      this.settings.list(),
      this.mails.latest(),
      this.entries(),
      this.deadLetters.list(),
    ]);
    return {
      users: users.map((row) => ({
        ...row,
        key: this.cacheflow.keyOf('user.users', { id: row.id }),
      })),
      settings: settings.map((row) => ({
        ...row,
        key: this.cacheflow.keyOf('user.settings', { user_id: row.user_id }),
      })),
      mails,
      entries,
      status: this.cacheflow.status(),
      deadLetters,
      servers: { mysql: { host, port, user }, redis: this.config.redis },
    };
  }

  private async entries(): Promise<CacheEntry[]> {
    const keys = await this.keys();
    const pipeline = this.redis.pipeline();
    for (const key of keys) pipeline.get(key).pttl(key);
    const answers = (await pipeline.exec()) ?? [];
    const entries: CacheEntry[] = [];
    for (const [index, key] of keys.entries()) {
      const [wrongType, value] = answers[index * 2] ?? [];
      const ttl = Number(answers[index * 2 + 1]?.[1]);
      // Gone since the SCAN.
      if (!wrongType && typeof value !== 'string') continue;
      entries.push({ key, value: typeof value === 'string' ? value : null, ttlMillis: ttl < 0 ? null : ttl });
    }
    return entries;
  }

  private async keys(): Promise<string[]> {
    // SCAN may give a key more than once.
    const keys = new Set<string>();
    for await (const page of this.redis.scanStream({ match: KEYS, count: MAX_KEYS }) as AsyncIterable<
      string[]
    >) {
      for (const key of page) keys.add(key);
      if (keys.size >= MAX_KEYS) break;
    }
    return [...keys].sort();
  }
}
