import { Inject, Injectable } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import type { CacheflowConfig } from '../config/cacheflow.config';
import { CACHEFLOW_CONFIG } from '../support/injection-tokens';
import { RedisConnection } from '../redis/redis-connection';
import { RewindGuard } from '../redis/rewind-guard';
import type { CheckpointStore } from '../options/checkpoint.store';
import { FileCheckpointStore } from './file-checkpoint.store';
import { RedisCheckpointStore } from './redis-checkpoint.store';

/** Finds the store that the options ask for. */
@Injectable()
export class CheckpointStores {
  constructor(
    @Inject(CACHEFLOW_CONFIG) private readonly config: CacheflowConfig,
    @Inject(RedisConnection) private readonly redis: RedisConnection,
    @Inject(RewindGuard) private readonly guard: RewindGuard,
    @Inject(ModuleRef) private readonly moduleRef: ModuleRef,
  ) {}

  async resolve(): Promise<CheckpointStore> {
    const { checkpoint } = this.config;
    if (checkpoint === 'redis') return new RedisCheckpointStore(this.redis.client, this.guard);
    if (typeof checkpoint === 'function') {
      try {
        return this.moduleRef.get(checkpoint, { strict: false });
      } catch {
        return this.moduleRef.create(checkpoint);
      }
    }
    return 'file' in checkpoint ? new FileCheckpointStore(checkpoint.file) : checkpoint;
  }
}
