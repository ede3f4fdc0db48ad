import calculateSlot from 'cluster-key-slot';
import type { RedisClient } from './redis-client';
import { isCluster } from './redis-client';

/** A value to write. */
export interface SetCommand {
  readonly key: string;
  readonly value: string;
  readonly ttlSeconds: number | undefined;
}

/** Which keys Redis refused, with its reply. Everything else was acknowledged. */
export type Refusals = ReadonlyMap<string, Error>;

/** Enough to amortise the round trip; few enough that Redis answers others in between. */
const KEYS_PER_UNLINK = 500;

/** Replies that concern Redis as a whole, not the key: the batch is tried again, not given up. */
const WHOLE_SERVER =
  /^(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|MISCONF|BUSY|NOAUTH|WRONGPASS|NOREPLICAS|UNKILLABLE|MOVED|ASK)\b/;

/** Whether Redis answered this command with an error of its own (rather than being out of reach). */
export function isRefusal(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError' && !WHOLE_SERVER.test(error.message);
}

/**
 * Sets and removes keys, all at once and without waiting in between. Resolves with what Redis refused; rejects
 * when Redis as a whole is out of reach, and may be called again then: both commands may run twice.
 */
export async function writeKeys(
  client: RedisClient,
  sets: readonly SetCommand[],
  unlinks: readonly string[],
): Promise<Refusals> {
  const commands: Command[] = [
    ...groupKeys(client, unlinks).map((keys) => ({ keys, args: ['unlink', ...keys] })),
    ...sets.map(({ key, value, ttlSeconds }) => ({
      keys: [key],
      args: ['set', key, value, ...(ttlSeconds === undefined ? [] : ['EX', String(ttlSeconds)])],
    })),
  ];
  const errors = await runAll(client, commands);
  const refusals = new Map<string, Error>();
  let unreachable: Error | undefined;
  for (const [index, error] of errors.entries()) {
    if (!error) continue;
    if (isRefusal(error)) for (const key of commands[index]?.keys ?? []) refusals.set(key, error);
    else unreachable ??= error;
  }
  if (unreachable !== undefined) throw unreachable;
  return refusals;
}

interface Command {
  readonly keys: readonly string[];
  readonly args: readonly string[];
}

/** Sends all commands without waiting in between; resolves with the error of each, if any. */
async function runAll(client: RedisClient, commands: readonly Command[]): Promise<(Error | null)[]> {
  if (commands.length === 0) return [];
  if (!isCluster(client)) {
    const results = await client.pipeline(commands.map(({ args }) => [...args])).exec();
    if (!results) throw new Error('Redis gave no reply to a pipeline');
    return results.map(([error]) => error);
  }
  // A pipeline of ioredis is for keys of one node; single commands go out to all nodes at once as well.
  const results = await Promise.allSettled(
    commands.map(({ args: [name = '', ...rest] }) => client.call(name, ...rest)),
  );
  return results.map((result) => (result.status === 'fulfilled' ? null : toError(result.reason)));
}

function toError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}

/** One multi-key command takes keys of one slot only when Redis is a cluster. */
function groupKeys(client: RedisClient, keys: readonly string[]): string[][] {
  if (!isCluster(client)) return chunk(keys);
  const prefix = client.options.keyPrefix ?? '';
  const slots = new Map<number, string[]>();
  for (const key of keys) {
    const slot = calculateSlot(prefix + key);
    const group = slots.get(slot);
    if (group) group.push(key);
    else slots.set(slot, [key]);
  }
  return [...slots.values()].flatMap(chunk);
}

function chunk(keys: readonly string[]): string[][] {
  const chunks: string[][] = [];
  for (let at = 0; at < keys.length; at += KEYS_PER_UNLINK) chunks.push(keys.slice(at, at + KEYS_PER_UNLINK));
  return chunks;
}
