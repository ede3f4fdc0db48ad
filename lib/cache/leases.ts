import { randomBytes } from 'node:crypto';
import {
  FOUND,
  LEASED,
  REFUSED,
  readGenerations,
  takeLeases,
  useLeases,
} from '../redis/scripts/lease-scripts';
import { canHaveRecord, recordKey } from '../redis/scripts/record';
import type { RedisClient } from '../redis/redis-client';
import { replyError } from '../redis/redis-writer';
import { callScript } from '../redis/scripts/script';
import { groupBySlot } from '../redis/slots';
import type { CacheTag } from '../keys/tag';

/** Which values must not be served, although they are there. */
export type Unfit =
  | { readonly kind: 'none' }
  /** Any. */
  | { readonly kind: 'all' }
  /** The one beside which this record stood; null for none. */
  | { readonly kind: 'seen'; readonly record: string | null };

export interface LeaseRequest {
  readonly key: string;
  readonly unfit: Unfit;
}

/** What came of a request: a value, the lease, or that somebody else has it. */
export type LeaseReply =
  | { readonly state: 'found'; readonly value: string; readonly record: string }
  | { readonly state: 'leased' }
  | { readonly state: 'held' }
  /** Redis does not take the key, because it holds something else than a string. */
  | { readonly state: 'refused'; readonly error: Error };

/** What to do with a lease: put the value into the cache, or give the lease back. */
export interface LeaseUse {
  readonly key: string;
  readonly fill: { readonly value: string; readonly ttlMillis: number | undefined } | undefined;
  /** Of the tags that the value depends on. */
  readonly generations: string | undefined;
}

/** Few enough that Redis answers others in between. */
const KEYS_PER_CALL = 250;

/** How long a generation is kept after it was last asked for; afterwards values of it are loaded anew. */
const TAG_SECONDS = 7 * 24 * 60 * 60;

/** Leases in Redis: the right to put one value into the cache, lost when its key is invalidated. */
export class Leases {
  /** No two leases have the same token, whoever gives them. */
  private readonly origin = randomBytes(9).toString('base64url');
  private last = 0;

  constructor(private readonly client: RedisClient) {}

  newToken(): string {
    return `${this.origin}.${(++this.last).toString(36)}`;
  }

  /** Whether the key can have a lease: in a cluster, a key with unpaired braces cannot. */
  isPossible(key: string): boolean {
    return canHaveRecord(this.client, key);
  }

  /** Asks for the leases of keys. Rejects with the client's error. */
  async take(
    requests: readonly LeaseRequest[],
    token: string,
    leaseMillis: number,
  ): Promise<Map<string, LeaseReply>> {
    const replies = new Map<string, LeaseReply>();
    await this.eachPart(requests, async (part, keys) => {
      const args = [token, leaseMillis, ...part.map(({ unfit }) => wayOf(unfit))];
      const reply = (await callScript(this.client, takeLeases, keys, args)) as unknown[];
      for (const [index, { key }] of part.entries()) {
        const [state, value, record] = reply.slice(3 * index, 3 * index + 3);
        replies.set(key, toReply(Number(state), String(value), String(record)));
      }
    });
    return replies;
  }

  /**
   * Resolves with whether the lease of each key was still there, or with why Redis did not take the value. Rejects with
   * the client's error.
   */
  async use(uses: readonly LeaseUse[], token: string): Promise<Map<string, boolean | Error>> {
    const used = new Map<string, boolean | Error>();
    await this.eachPart(uses, async (part, keys) => {
      const args = part.flatMap(({ fill, generations }) => [
        fill ? 'fill' : 'release',
        fill?.value ?? '',
        fill?.ttlMillis ?? '',
        generations ?? '',
      ]);
      const reply = (await callScript(this.client, useLeases, keys, [token, ...args])) as unknown[];
      for (const [index, { key }] of part.entries()) {
        const text = String(reply[index]);
        used.set(key, text === '1' || (text !== '0' && replyError(text)));
      }
    });
    return used;
  }

  /** The generations that tags have now, in one text. Rejects with the client's error. */
  async generations(tags: readonly CacheTag[]): Promise<string> {
    const fresh = randomBytes(9).toString('base64url');
    const found = new Map<string, string>();
    await Promise.all(
      groupBySlot(this.client, tags, (tag) => tag, KEYS_PER_CALL).map(async (part) => {
        const reply = (await callScript(this.client, readGenerations, part, [
          fresh,
          TAG_SECONDS,
        ])) as unknown[];
        for (const [index, tag] of part.entries()) found.set(tag, String(reply[index]));
      }),
    );
    return joinGenerations(tags.map((tag) => found.get(tag) ?? null));
  }

  private async eachPart<T extends { readonly key: string }>(
    items: readonly T[],
    call: (part: readonly T[], keys: readonly string[]) => Promise<void>,
  ): Promise<void> {
    const prefix = this.client.options.keyPrefix ?? '';
    await Promise.all(
      groupBySlot(this.client, items, ({ key }) => key, KEYS_PER_CALL).map((part) =>
        call(
          part,
          part.flatMap(({ key }) => [key, recordKey(key, prefix)]),
        ),
      ),
    );
  }
}

/** Generations in one text, in the order of their tags. One that is gone equals no other. */
export function joinGenerations(generations: readonly (string | null)[]): string {
  return generations.map((generation) => generation ?? '-').join(',');
}

function wayOf(unfit: Unfit): string {
  if (unfit.kind === 'none') return '';
  return unfit.kind === 'all' ? '*' : `=${unfit.record ?? ''}`;
}

function toReply(state: number, value: string, record: string): LeaseReply {
  if (state === FOUND) return { state: 'found', value, record };
  if (state === REFUSED) return { state: 'refused', error: replyError(value) };
  return { state: state === LEASED ? 'leased' : 'held' };
}
