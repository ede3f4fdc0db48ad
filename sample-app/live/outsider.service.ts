import { Injectable, NotFoundException } from '@nestjs/common';
import type { ResultSetHeader } from 'mysql2';
import { createConnection } from 'mysql2/promise';
import { AppConfig } from '../app.config';

/** Changes a row as another program would: over a connection of its own, without a word to this service. */
@Injectable()
export class OutsiderService {
  constructor(private readonly config: AppConfig) {}

  /** @throws NotFoundException */
  async rename(userId: number, name: string): Promise<void> {
    const connection = await createConnection(this.config.mysql);
    try {
      const [result] = await connection.execute<ResultSetHeader>(
        'UPDATE user.users SET name = ? WHERE id = ?',
        [name, userId],
      );
      if (result.affectedRows === 0) throw new NotFoundException(`There is no user ${userId}`);
    } finally {
      await connection.end();
    }
  }
}
