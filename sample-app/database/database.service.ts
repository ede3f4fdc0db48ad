import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { ResultSetHeader, RowDataPacket } from 'mysql2';
import { createPool, type Pool, type PoolConnection } from 'mysql2/promise';
import { AppConfig } from '../app.config';

type Parameters = (string | number | boolean | null)[];

/** The service's pool of MySQL connections. */
@Injectable()
export class DatabaseService implements OnApplicationShutdown {
  private readonly pool: Pool;

  constructor(config: AppConfig) {
    this.pool = createPool({ ...config.mysql, database: 'user', connectionLimit: 10 });
  }

  async select<T>(sql: string, parameters: Parameters = []): Promise<T[]> {
    const [rows] = await this.pool.execute<RowDataPacket[]>(sql, parameters);
    return rows as T[];
  }

  async write(sql: string, parameters: Parameters = []): Promise<ResultSetHeader> {
    const [result] = await this.pool.execute<ResultSetHeader>(sql, parameters);
    return result;
  }

  async transaction<T>(work: (connection: PoolConnection) => Promise<T>): Promise<T> {
    const connection = await this.pool.getConnection();
    try {
      await connection.beginTransaction();
      const result = await work(connection);
      await connection.commit();
      return result;
    } catch (error) {
      await connection.rollback();
      throw error;
    } finally {
      connection.release();
    }
  }

  async onApplicationShutdown(): Promise<void> {
    await this.pool.end();
  }
}

/** Whether a statement failed because a unique column has the value already. */
export function isDuplicate(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ER_DUP_ENTRY';
}
