// What examples of the documentation may use without declaring it. A name is imported into an example that mentions it.
import type { INestApplication } from '@nestjs/common';
import type { Cluster, Redis } from 'ioredis';
import type { CacheflowOptions, CacheflowService } from '../../lib';

export declare const app: INestApplication;
export declare const cacheflow: CacheflowService;
/** A client of the database, as the app has one. */
export declare const db: { query<T>(sql: string, params?: unknown[]): Promise<T[]> };
export declare const redisClient: Redis;
export declare const redisCluster: Cluster;
/** Options that an example takes over. */
export declare const mysql: CacheflowOptions['mysql'];
export declare const redis: CacheflowOptions['redis'];

// Types without an index signature would be interfaces; these are rows.
export type User = { id: number; name: string; email: string; org_id: number };
export type Order = { id: number; user_id: number; org_id: number; status: string; total: string };

/** As that of `@nestjs/config`. */
export declare class ConfigService {
  get<T = string>(name: string): T;
  getOrThrow<T = string>(name: string): T;
}
