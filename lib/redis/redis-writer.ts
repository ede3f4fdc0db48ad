import type { RedisClient } from './redis-client';
import { isCluster } from './redis-client';
import { isSlotMoving, removeKeyByKey, removeVersionedKeyByKey } from './key-by-key';
import { withRecords } from './scripts/record';
import type { RoundCounter } from './scripts/round-count';
import { countCommand } from './scripts/round-count';
import { groupBySlot } from './slots';
import type { VersionedGroup, VersionedWrite, WriteRefusal } from './scripts/versioned-write';
import {
  groupVersioned,
  readVersionedReply,
  versionedWriteArguments,
  versionedWriteScript,
} from './scripts/versioned-write';

/** What one round trip does to the cache. */
export interface CacheWrites {
  /** Keys to remove with their records, whatever they hold. */
  readonly removals?: readonly string[];
  /** Keys to set or remove unless something newer was done to them. */
  readonly versioned?: readonly VersionedWrite[];
  /** A counter that goes up after everything else; its new value is in the outcome. */
  readonly counter?: RoundCounter;
}

export interface WriteOutcome {
  /** What Redis refused, by key, with its reply. Everything else was acknowledged. */
  readonly refusals: ReadonlyMap<string, WriteRefusal>;
  /** The counter's value, or what kept Redis from counting. */
  readonly counted: number | Error | undefined;
  /** Redis does not know the script by its hash (it was restarted): the round has to be sent again, in full. */
  readonly scriptUnknown: boolean;
}

/** Enough to amortise the round trip; few enough that Redis answers others in between. */
const KEYS_PER_UNLINK = 500;
const KEYS_PER_SCRIPT = 250;

/** Replies that concern Redis as a whole, not the key: the batch is tried again, not given up. */
const WHOLE_SERVER =
  /^(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|MISCONF|BUSY|NOAUTH|WRONGPASS|NOREPLICAS|UNKILLABLE|MOVED|ASK)\b/;

/** Whether it is an answer of Redis, whatever it says. */
export function isReply(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError';
}

/** Whether Redis refused this one command (rather than being out of reach or refusing all of them). */
export function isRefusal(error: unknown): error is Error {
  return isReply(error) && !WHOLE_SERVER.test(error.message);
}

/** An error reply that came inside of another reply, as the client would report it. */
export function replyError(message: string): Error {
  const error = new Error(message);
  error.name = 'ReplyError';
  return error;
}

/**
 * Removes and writes keys, all at once and without waiting in between. Resolves with what Redis refused; rejects
 * when Redis as a whole is out of reach, and may be called again then: all of it may run twice.
 *
 * @param inFull whether to send the text of the script; without it the outcome may be `scriptUnknown`
 */
export async function writeKeys(
  client: RedisClient,
  writes: CacheWrites,
  inFull = true,
): Promise<WriteOutcome> {
  const commands: Command[] = [
    ...groupBySlot(client, writes.removals ?? [], (key) => key, KEYS_PER_UNLINK).map((keys) => ({
      keys,
      args: ['unlink', ...withRecords(client, keys)],
      keyByKey: () => removeKeyByKey(client, keys),
    })),
    ...groupVersioned(writes.versioned ?? []).flatMap((group) =>
      groupBySlot(client, group.writes, ({ key }) => key, KEYS_PER_SCRIPT).map((part) =>
        scriptCommand(client, group, part, inFull),
      ),
    ),
    ...(writes.counter === undefined ? [] : [{ keys: [], args: countCommand(writes.counter) }]),
  ];
  const replies = await runAll(client, commands);
  return readReplies(commands, replies, writes.counter !== undefined);
}

interface Command {
  readonly keys: readonly string[];
  readonly args: readonly string[];
  /** Whether it is a call of the script. */
  readonly isScript?: boolean;
  /** Does the same where only single keys are taken, because their slot is moving; resolves with the reply. */
  readonly keyByKey?: () => Promise<unknown>;
}

type Reply = Error | { readonly value: unknown };

function scriptCommand(
  client: RedisClient,
  group: VersionedGroup,
  writes: readonly VersionedWrite[],
  inFull: boolean,
): Command {
  const keys = writes.map((write) => write.key);
  const args = versionedWriteArguments(group, writes, client.options.keyPrefix ?? '');
  const call = inFull ? ['eval', versionedWriteScript.lua] : ['evalsha', versionedWriteScript.sha];
  return {
    keys,
    args: [...call, String(2 * keys.length), ...args],
    isScript: true,
    keyByKey: () => removeVersionedKeyByKey(client, group, writes),
  };
}

function readReplies(commands: readonly Command[], replies: readonly Reply[], counts: boolean): WriteOutcome {
  const refusals = new Map<string, WriteRefusal>();
  let scriptUnknown = false;
  for (const [index, { keys, isScript }] of commands.entries()) {
    const reply = replies[index] as Reply;
    if (isScript && reply instanceof Error && reply.message.startsWith('NOSCRIPT')) {
      scriptUnknown = true;
    } else if (reply instanceof Error) {
      if (!isRefusal(reply)) throw reply;
      for (const key of keys) refusals.set(key, { message: reply.message, removed: false });
    } else if (isScript) {
      for (const [at, refusal] of readVersionedReply(reply.value as unknown[])) {
        // Inside a script too, what concerns Redis as a whole is no refusal of a key.
        if (WHOLE_SERVER.test(refusal.message)) throw replyError(refusal.message);
        refusals.set(keys[at] as string, refusal);
      }
    }
  }
  const last = replies.at(-1);
  return {
    refusals,
    scriptUnknown,
    counted: !counts || last === undefined ? undefined : last instanceof Error ? last : Number(last.value),
  };
}

/** Sends all commands without waiting in between; resolves with the reply or the error of each. */
async function runAll(client: RedisClient, commands: readonly Command[]): Promise<Reply[]> {
  if (commands.length === 0) return [];
  if (!isCluster(client)) {
    const results = await client.pipeline(commands.map(({ args }) => [...args])).exec();
    if (!results) throw new Error('Redis gave no reply to a pipeline');
    return results.map(([error, value]) => error ?? { value });
  }
  // A pipeline of ioredis is for keys of one node; single commands go out to all nodes at once as well.
  const results = await Promise.allSettled(commands.map((command) => sendToCluster(client, command)));
  return results.map((result) =>
    result.status === 'fulfilled' ? { value: result.value } : toError(result.reason),
  );
}

async function sendToCluster(client: RedisClient, { args, keyByKey }: Command): Promise<unknown> {
  const [name = '', ...rest] = args;
  try {
    return await client.call(name, ...rest);
  } catch (error) {
    if (!keyByKey || !isSlotMoving(error)) throw error;
    return keyByKey();
  }
}

function toError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
