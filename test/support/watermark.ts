import type { Redis } from 'ioredis';
import { setTimeout as pause } from 'node:timers/promises';
import type { TestApp } from './app';

/** Publishes how far an app's tail is, until it is ended. */
export function beginWatermark(app: TestApp, redis: Redis, name = 'default'): { end(): Promise<void> } {
  let on = true;
  const publish = async (): Promise<void> => {
    while (on) {
      const [seconds, micros] = await redis.time();
      const at = Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
      await app.cacheflow.caughtUp();
      await redis.set(`cacheflow:${name}:watermark`, JSON.stringify({ at }));
      await pause(20);
    }
  };
  const running = publish();
  return {
    end: async () => {
      on = false;
      await running;
    },
  };
}
