// One process of a group that is measured: loads everything, says so, and then does what it is asked for.
import 'reflect-metadata';
import { setTimeout as sleep } from 'node:timers/promises';
import type { INestApplicationContext } from '@nestjs/common';
import { Injectable } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Cluster } from 'ioredis';
import { CacheflowModule, CacheflowService, OnBinlog, getCacheflowToken } from '../../lib';
import type { Answer, Calls, Question, Questions } from './question';

const CATCH_UP_MILLIS = 600_000;

let app: INestApplicationContext | undefined;
let cluster: Cluster | undefined;
let cacheflow: CacheflowService;
const calls = { count: 0, lastAt: 0 };

const answers: Questions = {
  async boot(given, { handlerMillis, clusterPorts } = {}) {
    const { name = 'default' } = given;
    cluster = clusterPorts && new Cluster(clusterPorts.map((port) => ({ host: '127.0.0.1', port })));
    const options = cluster ? { ...given, redis: cluster } : given;
    class BenchModule {}
    const providers = handlerMillis === undefined ? [] : [listenerOf(name, handlerMillis)];
    app = await NestFactory.createApplicationContext(
      { module: BenchModule, imports: [CacheflowModule.forRoot(options)], providers },
      { logger: ['error', 'warn'] },
    );
    cacheflow = app.get<CacheflowService>(getCacheflowToken(name));
  },
  async caughtUp() {
    await cacheflow.caughtUp({ timeoutMillis: CATCH_UP_MILLIS });
  },
  status: async () => Promise.resolve(cacheflow.status()),
  pause: () => cacheflow.pause(),
  resume: () => cacheflow.resume(),
  calls: async () => Promise.resolve<Calls>({ ...calls }),
  async cpuMillis() {
    const { user, system } = process.cpuUsage();
    return Promise.resolve((user + system) / 1_000);
  },
  async sampleCaughtUp(seconds, everyMillis) {
    const samples: number[] = [];
    const end = performance.now() + seconds * 1_000;
    while (performance.now() < end) {
      const asked = performance.now();
      await cacheflow.caughtUp();
      samples.push(performance.now() - asked);
      await sleep(everyMillis);
    }
    return samples;
  },
  async close() {
    await app?.close();
    cluster?.disconnect();
  },
};

function listenerOf(source: string, millis: number): new () => object {
  @Injectable()
  class Listener {
    @OnBinlog('bench.items', { source })
    async onItem(): Promise<void> {
      if (millis > 0) await sleep(millis);
      calls.count++;
      calls.lastAt = Date.now();
    }
  }
  return Listener;
}

async function answer({ id, ask, args }: Question): Promise<void> {
  const perform = answers[ask] as (...given: readonly unknown[]) => Promise<unknown>;
  const told: Answer = await perform(...args).then(
    (value) => ({ id, value }),
    (error: Error) => ({ id, problem: error.message }),
  );
  process.send?.(told);
  if (ask === 'close') process.disconnect?.();
}

process.on('message', (question: Question) => void answer(question));
// The one that asks is gone.
process.once('disconnect', () => process.exit());
process.send?.({ loaded: true });
