import { Inject, Injectable } from '@nestjs/common';
import type { CacheflowConfig } from '../config/cacheflow.config';
import { CACHEFLOW_CONFIG } from '../support/injection-tokens';
import { ReadOptionsError } from '../errors/cache.errors';
import { messageOf } from '../errors/cacheflow.error';
import { ErrorReporter } from '../errors/error-reporter';
import { isOwnKey } from '../redis/own-keys';
import { RedisConnection } from '../redis/redis-connection';
import type { CacheCounters, CacheStatus } from './cache-status';
import type { Found } from './cache-lookup';
import { lookUp } from './cache-lookup';
import { Circuit } from './circuit';
import { Freshness } from './freshness';
import type { LeaseRequest } from './leases';
import { Leases } from './leases';
import type { LoadAll } from './lease-loader';
import { LeaseLoader } from './lease-loader';
import { MissLoader } from './miss-loader';
import type { ReadOptions, ReadPlan } from './read-options';
import { defaultPlan, planRead } from './read-options';
import type { StorabilityCheck } from './storability';
import { ValueCodec } from './value-codec';

/** Loads one value. Returns null if there is none. */
export type Load<T> = () => Promise<T> | T;

/**
 * Loads the values of the keys that are missing from the cache. Returns one value for each of these keys, in the same
 * order, and null if there is none. `indexes` are the indexes of these keys in the list that the caller passed.
 */
export type LoadMany<T> = (
  keys: readonly string[],
  indexes: readonly number[],
) => Promise<readonly (T | null | undefined)[]> | readonly (T | null | undefined)[];

/** What it takes to ask Redis. */
interface Connected {
  readonly circuit: Circuit;
  readonly misses: MissLoader;
}

/** Reads through the cache, so that what is put into it is never older than its row. */
@Injectable()
export class CacheReader {
  private readonly counters: CacheCounters = {
    hits: 0,
    misses: 0,
    loads: 0,
    fills: 0,
    refusedFills: 0,
    unleased: 0,
  };
  private readonly codec: ValueCodec;
  private readonly defaults: ReadPlan;
  private connected: Connected | undefined;

  constructor(
    @Inject(CACHEFLOW_CONFIG) private readonly config: CacheflowConfig,
    @Inject(RedisConnection) private readonly redis: RedisConnection,
    @Inject(Freshness) private readonly freshness: Freshness,
    @Inject(ErrorReporter) private readonly errors: ErrorReporter,
  ) {
    this.codec = new ValueCodec(config.cache.serializer, errors);
    this.defaults = defaultPlan(config.cache);
  }

  get status(): CacheStatus {
    return { ...this.counters, bypassedSince: this.connected?.circuit.since };
  }

  /** See `CacheflowService.getOrLoad`. */
  async getOrLoad<T>(
    key: string,
    load: Load<T>,
    options?: ReadOptions,
    storability?: StorabilityCheck,
  ): Promise<T> {
    checkKey(key);
    // Before the start there is no Redis to ask, and nobody keeps it right.
    if (!this.redis.isResolved) return load();
    const { client } = this.redis;
    const { circuit } = (this.connected ??= this.connect());
    // The one way that has to be short: options that are of no use for it are looked at in a miss.
    if (options === undefined || isPlain(options)) {
      const answer = await circuit.ask(() => client.get(key));
      const hit = typeof answer?.value === 'string' ? this.codec.read(answer.value) : undefined;
      if (hit) {
        this.counters.hits++;
        return hit.value as T;
      }
      const unfit = { kind: typeof answer?.value === 'string' ? 'all' : 'none' } as const;
      return this.miss({ key, unfit }, load, this.planOf(options, storability), false);
    }
    const plan = this.planOf(options, storability);
    const isStrict = !(await this.mayServe(plan, circuit));
    const found = isStrict ? undefined : await circuit.ask(() => lookUp(client, [key], plan.tags));
    const [entry] = found?.value ?? [];
    const hit = entry?.text === undefined ? undefined : this.codec.read(entry.text);
    if (hit) {
      this.counters.hits++;
      return hit.value as T;
    }
    return this.miss(toRequest(key, entry, isStrict), load, plan, isStrict);
  }

  /** See `CacheflowService.getManyOrLoad`. */
  async getManyOrLoad<T>(
    keys: readonly string[],
    loadMany: LoadMany<T>,
    options?: ReadOptions,
  ): Promise<(T | null)[]> {
    for (const key of keys) checkKey(key);
    const plan = this.planOf(options);
    const places = new Map<string, number>();
    for (const [index, key] of keys.entries()) if (!places.has(key)) places.set(key, index);
    const wanted = [...places.keys()];
    if (wanted.length === 0) return [];
    const load = loadAllOf(loadMany, places);
    if (!this.redis.isResolved) {
      const loaded = await load(wanted);
      return keys.map((key) => (loaded[wanted.indexOf(key)] ?? null) as T | null);
    }
    const { client } = this.redis;
    const { circuit, misses } = (this.connected ??= this.connect());
    const isStrict = !(await this.mayServe(plan, circuit));
    const found = isStrict ? undefined : await circuit.ask(() => lookUp(client, wanted, plan.tags));
    const values = new Map<string, unknown>();
    const requests: LeaseRequest[] = [];
    for (const [index, key] of wanted.entries()) {
      const entry = found?.value[index];
      const hit = entry?.text === undefined ? undefined : this.codec.read(entry.text);
      if (hit) values.set(key, hit.value);
      else requests.push(toRequest(key, entry, isStrict));
    }
    this.counters.hits += values.size;
    this.counters.misses += requests.length;
    for (const [key, loaded] of await misses.fetch(requests, load, plan, isStrict)) {
      values.set(key, this.codec.valueOf(loaded));
    }
    return keys.map((key) => (values.get(key) ?? null) as T | null);
  }

  /** Says why something is not cached, though not each time. */
  reportUnfit(problem: string): void {
    this.codec.report(problem);
  }

  /** What is wrong with options; undefined where nothing is. */
  problemOf(options: ReadOptions): string | undefined {
    try {
      planRead(this.defaults, options);
      return undefined;
    } catch (error) {
      return messageOf(error);
    }
  }

  private async miss<T>(request: LeaseRequest, load: Load<T>, plan: ReadPlan, isStrict: boolean): Promise<T> {
    this.counters.misses++;
    const { misses } = (this.connected ??= this.connect());
    const loaded = await misses.fetch([request], async () => [await load()], plan, isStrict);
    const value = loaded.get(request.key);
    return (value && this.codec.valueOf(value)) as T;
  }

  private async mayServe({ freshness }: ReadPlan, circuit: Circuit): Promise<boolean> {
    return freshness === undefined || this.freshness.mayServe(freshness, circuit);
  }

  private planOf(options: ReadOptions | undefined, storability?: StorabilityCheck): ReadPlan {
    const plan = options === undefined ? this.defaults : planRead(this.defaults, options);
    return storability === undefined ? plan : { ...plan, storability };
  }

  private connect(): Connected {
    const { client } = this.redis;
    const circuit = new Circuit(client, this.config.cache.timeoutMillis, this.errors);
    return {
      circuit,
      misses: new MissLoader(new LeaseLoader(new Leases(client), circuit, this.codec, this.counters)),
    };
  }
}

/** Checks what the app's loader gives. */
function loadAllOf<T>(loadMany: LoadMany<T>, places: ReadonlyMap<string, number>): LoadAll {
  return async (missing) => {
    const loaded = await loadMany(
      missing,
      missing.map((key) => places.get(key) ?? -1),
    );
    if (Array.isArray(loaded) && loaded.length === missing.length) return loaded;
    const got = Array.isArray(loaded) ? `${loaded.length} values` : 'no list';
    throw new ReadOptionsError(
      `The loader of getManyOrLoad gave ${got} for ${missing.length} keys: return one for each key, in their order, null where there is none`,
    );
  };
}

/** Whether a GET is all that a hit takes. */
function isPlain({ dependsOn, maxStalenessMillis, after }: ReadOptions): boolean {
  return dependsOn === undefined && maxStalenessMillis === undefined && after === undefined;
}

function toRequest(key: string, found: Found | undefined, isStrict: boolean): LeaseRequest {
  if (isStrict) return { key, unfit: { kind: 'all' } };
  if (found === undefined) return { key, unfit: { kind: 'none' } };
  // A text that cannot be read.
  return { key, unfit: found.text === undefined ? found.unfit : { kind: 'all' } };
}

function checkKey(key: string): void {
  if (typeof key !== 'string' || key === '') {
    throw new ReadOptionsError('The key of a read has to be a string that is not empty');
  }
  if (key.startsWith('cf:') || (key.startsWith('cacheflow:') && isOwnKey(key))) {
    throw new ReadOptionsError('The key of a read is one of those that cacheflow keeps for itself');
  }
}
