import { ConflictException, Injectable, NotFoundException } from '@nestjs/common';
import { Cached } from '../../lib';
import { DatabaseService, isDuplicate } from '../database/database.service';
import type { User, UserInput } from './user';

const LIST_LIMIT = 100;

/** Users in MySQL, read through Redis. Nothing here deletes a key: cacheflow does, whoever changed the row. */
@Injectable()
export class UsersService {
  constructor(private readonly database: DatabaseService) {}

  /** The first users by id, from the database. */
  list(): Promise<User[]> {
    return this.database.select<User>(`SELECT id, name, email FROM users ORDER BY id LIMIT ${LIST_LIMIT}`);
  }

  /**
   * A user, or null where there is none, which is cached as well. The body runs only where Redis does not know.
   *
   * @param onMiss called then; the key is made of the id alone
   */
  @Cached({ table: 'user.users', ttlSeconds: 300 })
  async find(id: number, onMiss?: () => void): Promise<User | null> {
    onMiss?.();
    return this.select(id);
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
    const user = await this.select(id);
    if (!user) throw noUser(id);
    return user;
  }

  private async select(id: number): Promise<User | null> {
    const [user] = await this.database.select<User>('SELECT id, name, email FROM users WHERE id = ?', [id]);
    return user ?? null;
  }
}

export function noUser(id: number): NotFoundException {
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
