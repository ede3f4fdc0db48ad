// A process of a group, as far as its handlers go: consumes the partitions, and for each change appends
// `<id>:<total>` to the Redis list `calls` after `workMillis`. Its group is all processes that are told of each other
// by `{ members }`; it answers 'count' with the number of its calls, and 'close' by stopping.
import { Redis } from 'ioredis';
import { TestGroup, startMember } from './distribution-harness';

export interface HandlerProcessOptions {
  readonly url: string;
  readonly redisPort: number;
  readonly name: string;
  readonly own: string;
  readonly partitions: number;
  readonly concurrency: number;
  readonly workMillis: number;
  /** Whether each call is written to Redis. */
  readonly record: boolean;
}

async function main(): Promise<void> {
  const options = JSON.parse(process.argv[2] ?? '{}') as HandlerProcessOptions;
  const { url, redisPort, name, own, partitions, concurrency, workMillis, record } = options;
  const redis = new Redis({ port: redisPort });
  const group = new TestGroup();
  group.set(own);
  let count = 0;
  const member = await startMember({
    url,
    redisPort,
    name,
    members: group.member(own),
    handlers: { partitions, concurrency },
    handle: async ({ after }) => {
      if (workMillis > 0) await new Promise((resolve) => setTimeout(resolve, workMillis));
      if (record) await redis.rpush('calls', `${String(after?.['id'])}:${String(after?.['total'])}`);
      count++;
    },
  });
  process.on('message', (message: { members?: string[] } | string) => {
    if (typeof message === 'object' && message.members) {
      group.set(...message.members);
      process.send?.('told');
    }
    if (message === 'count') process.send?.(count);
    if (message === 'close') {
      redis.disconnect();
      member.stop().then(
        () => process.disconnect?.(),
        () => process.exit(1),
      );
    }
  });
  process.send?.('ready');
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
