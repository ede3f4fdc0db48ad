import { Injectable, NotFoundException } from '@nestjs/common';
import type { ResultSetHeader, RowDataPacket } from 'mysql2';
import { type Connection, createConnection } from 'mysql2/promise';
import { AppConfig } from '../app.config';

/** Changes rows as another program would: over a connection of its own, without a word to this service. */
@Injectable()
export class OutsiderService {
  constructor(private readonly config: AppConfig) {}

  /** @throws NotFoundException */
  async rename(userId: number, name: string): Promise<void> {
    const [result] = await this.connected((connection) =>
      connection.execute<ResultSetHeader>('UPDATE user.users SET name = ? WHERE id = ?', [name, userId]),
    );
    if (result.affectedRows === 0) throw new NotFoundException(`There is no user ${userId}`);
  }

  /** Takes all rows without a word on any of them, and puts them back. */
  async truncateUsers(): Promise<void> {
    await this.connected(async (connection) => {
      const [rows] = await connection.query<RowDataPacket[]>('SELECT id, name, email FROM user.users');
      await connection.query('TRUNCATE TABLE user.users');
      if (rows.length === 0) return;
      const values = rows.map(({ id, name, email }) => [id, name, email]);
      await connection.query('INSERT INTO user.users (id, name, email) VALUES ?', [values]);
    });
  }

  private async connected<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    const connection = await createConnection(this.config.mysql);
    try {
      return await work(connection);
    } finally {
      await connection.end();
    }
  }
}
