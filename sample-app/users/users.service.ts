import { ConflictException, Injectable, NotFoundException } from '@nestjs/common';
import { Redis } from 'ioredis';
import { DatabaseService, isDuplicate } from '../database/database.service';
import { type User, type UserInput, userKey } from './user';

const CACHE_SECONDS = 300;
const LIST_LIMIT = 100;

/** A user, and where it was found. */
export interface CachedUser {
  user: User;
  from: 'cache' | 'database';
}

/** Users in MySQL, read through Redis. Nothing here deletes a key: cacheflow does, whoever changed the row. */
@Injectable()
export class UsersService {
  constructor(
    private readonly database: DatabaseService,
    private readonly redis: Redis,
  ) {}

  /** The first users by id, from the database. */
  list(): Promise<User[]> {
    return this.database.select<User>(`SELECT id, name, email FROM users ORDER BY id LIMIT ${LIST_LIMIT}`);
  }

  /**
   * Plain cache-aside. It has the race that every plain fill has: a row that changes between the SELECT and the
   * SET leaves its old value behind, until the TTL or the next change. `CacheflowService.getOrLoad` closes it,
   * by refusing the fill of a key that was invalidated meanwhile; it takes the place of this method's body.
   *
   * @throws NotFoundException
   */
  async readThroughCache(id: number): Promise<CachedUser> {
    const cached = await this.redis.get(userKey(id));
    if (cached !== null) return { user: JSON.parse(cached) as User, from: 'cache' };
    const user = await this.findInDatabase(id);
    await this.redis.set(userKey(id), JSON.stringify(user), 'EX', CACHE_SECONDS);
    return { user, from: 'database' };
  }

  /** @throws ConflictException when another user has the email */
  async create({ name, email }: UserInput): Promise<User> {
    const { insertId } = await refuseDuplicates(
      this.database.write('INSERT INTO users (name, email) VALUES (?, ?)', [name, email]),
    );
    return { id: insertId, name, email };
  }

  /** @throws NotFoundException, or ConflictException when another user has the email */
  async update(id: number, { name, email }: Partial<UserInput>): Promise<User> {
    await refuseDuplicates(
      this.database.write(
        'UPDATE users SET name = COALESCE(?, name), email = COALESCE(?, email) WHERE id = ?',
        [name ?? null, email ?? null, id],
      ),
    );
    return this.findInDatabase(id);
  }

  /** Removes the user and its settings. @throws NotFoundException */
  async remove(id: number): Promise<void> {
    await this.database.transaction(async (connection) => {
      await connection.execute('DELETE FROM settings WHERE user_id = ?', [id]);
      const [result] = await connection.execute('DELETE FROM users WHERE id = ?', [id]);
      if ('affectedRows' in result && result.affectedRows === 0) throw noUser(id);
    });
  }

  /** @throws NotFoundException */
  async findInDatabase(id: number): Promise<User> {
    const [user] = await this.database.select<User>('SELECT id, name, email FROM users WHERE id = ?', [id]);
    if (!user) throw noUser(id);
    return user;
  }
}

function noUser(id: number): NotFoundException {
  return new NotFoundException(`There is no user ${id}`);
}

async function refuseDuplicates<T>(statement: Promise<T>): Promise<T> {
  try {
    return await statement;
  } catch (error) {
    if (isDuplicate(error)) throw new ConflictException('Another user has this email', { cause: error });
    throw error;
  }
}
