import { setTimeout as sleep } from 'node:timers/promises';
import { generationsOf } from '../redis/record';
import type { CacheCounters } from './cache-status';
import type { Circuit } from './circuit';
import type { Flight, Loaded } from './flights';
import { Flights } from './flights';
import type { LeaseReply, LeaseRequest, LeaseUse, Leases } from './leases';
import type { ReadPlan } from './read-options';
import type { ValueCodec } from './value-codec';

/** Loads the values of keys, in their order. */
export type LoadAll = (keys: readonly string[]) => Promise<readonly unknown[]>;

/** Between two looks at a key that another process is loading: short at first, because most loads are. */
const FIRST_PAUSE_MILLIS = 5;
const LONGEST_PAUSE_MILLIS = 50;

const NO_FLIGHTS: ReadonlyMap<string, Flight> = new Map();

/** A read that goes on without the cache, or with it. */
interface Errand {
  readonly plan: ReadPlan;
  readonly load: LoadAll;
  /** What the cache holds must not be served. */
  readonly isStrict: boolean;
  readonly token: string;
  readonly flights: ReadonlyMap<string, Flight>;
}

/**
 * Gets what the cache does not have. One process gets the lease of a key and loads; within a process, callers of the
 * same key share a flight. A value is put into the cache only where its lease was not lost, and a caller gets no value
 * that may be older than its call, unless the cache would have given it too.
 */
export class MissLoader {
  private readonly flights = new Flights();
  /** Of callers who must not be served what the cache holds. */
  private readonly strictFlights = new Flights();

  constructor(
    private readonly leases: Leases,
    private readonly circuit: Circuit,
    private readonly codec: ValueCodec,
    private readonly counters: CacheCounters,
  ) {}

  /** Rejects with the loader's error. */
  async fetch(
    requests: readonly LeaseRequest[],
    load: LoadAll,
    plan: ReadPlan,
    isStrict: boolean,
  ): Promise<Map<string, Loaded>> {
    const results = new Map<string, Loaded>();
    const flights = isStrict ? this.strictFlights : this.flights;
    for (let missing = requests; missing.length > 0;) {
      const joined: { request: LeaseRequest; flight: Flight; isInTime: boolean }[] = [];
      const own = missing.filter((request) => {
        const flight = flights.of(request.key);
        if (flight) joined.push({ request, flight, isInTime: !flight.loading });
        return !flight;
      });
      const begun = new Map(own.map(({ key }) => [key, flights.begin(key)]));
      const errand = { plan, load, isStrict, token: this.leases.newToken(), flights: begun };
      const again: LeaseRequest[] = [];
      await Promise.all([
        own.length > 0 ? this.fly(own, errand, results) : undefined,
        ...joined.map(async ({ request, flight, isInTime }) => {
          const result = await flight.result;
          if (result?.loaded.isOwn) {
            const alone = { ...errand, flights: NO_FLIGHTS };
            await this.loadOnly([request.key], alone, (key, loaded) => results.set(key, loaded));
          } else if (result && (isInTime || (result.current && !isStrict)))
            results.set(request.key, result.loaded);
          else again.push(request);
        }),
      ]);
      missing = again;
    }
    return results;
  }

  private async fly(
    requests: readonly LeaseRequest[],
    errand: Errand,
    results: Map<string, Loaded>,
  ): Promise<void> {
    const { flights, plan } = errand;
    // A fill would be refused by then, and who comes later should not depend on a loader that may never come back.
    const timer = setTimeout(() => landAll(flights), plan.leaseMillis);
    try {
      await this.obtain(requests, errand, (key, loaded, current) => {
        results.set(key, loaded);
        flights.get(key)?.land({ loaded, current });
      });
    } finally {
      clearTimeout(timer);
      // After a failure others of the same call may still be in the air.
      landAll(flights);
    }
  }

  private async obtain(requests: readonly LeaseRequest[], errand: Errand, land: Landing): Promise<void> {
    const { plan, token, isStrict } = errand;
    const patience = performance.now() + (isStrict ? 0 : plan.waitMillis);
    const loads: Promise<void>[] = [];
    const begin = (load: Promise<void>): void => {
      // It may fail while another key is still being waited for.
      load.catch(() => undefined);
      loads.push(load);
    };
    let waiting = requests.filter(({ key }) => this.leases.isPossible(key));
    const alone = requests.filter(({ key }) => !this.leases.isPossible(key));
    if (alone.length > 0) begin(this.loadOnly(keysOf(alone), errand, land));
    for (
      let pause = FIRST_PAUSE_MILLIS;
      waiting.length > 0;
      pause = Math.min(2 * pause, LONGEST_PAUSE_MILLIS)
    ) {
      const asked = waiting;
      const answer = await this.circuit.ask(async () => {
        const generations = plan.tags.length > 0 ? await this.leases.generations(plan.tags) : undefined;
        return { generations, replies: await this.leases.take(asked, token, plan.leaseMillis) };
      });
      if (!answer) {
        begin(this.loadOnly(keysOf(asked), errand, land));
        break;
      }
      const { generations, replies } = answer.value;
      const { leased, held, unfit } = this.sort(asked, replies, generations, land);
      if (leased.length > 0) begin(this.loadAndFill(leased, generations, errand, land));
      waiting = [...unfit, ...held];
      if (waiting.length === 0) break;
      if (performance.now() >= patience) {
        begin(this.loadOnly(keysOf(waiting), errand, land));
        break;
      }
      if (unfit.length === 0) await sleep(pause);
    }
    await Promise.all(loads);
  }

  /** Lands what was found; tells the rest apart. */
  private sort(
    asked: readonly LeaseRequest[],
    replies: ReadonlyMap<string, LeaseReply>,
    generations: string | undefined,
    land: Landing,
  ): { leased: string[]; held: LeaseRequest[]; unfit: LeaseRequest[] } {
    const leased: string[] = [];
    const held: LeaseRequest[] = [];
    const unfit: LeaseRequest[] = [];
    for (const request of asked) {
      const { key } = request;
      const reply = replies.get(key);
      if (reply?.state === 'leased') leased.push(key);
      else if (reply?.state !== 'found') held.push(request);
      else if (generations !== undefined && generationsOf(reply.record) !== generations) {
        unfit.push({ key, unfit: { kind: 'seen', record: reply.record } });
      } else if (!this.codec.read(reply.value)) unfit.push({ key, unfit: { kind: 'all' } });
      else land(key, { text: reply.value, raw: undefined }, true);
    }
    return { leased, held, unfit };
  }

  private async loadAndFill(
    keys: readonly string[],
    generations: string | undefined,
    errand: Errand,
    land: Landing,
  ): Promise<void> {
    const { plan, token } = errand;
    let loaded: readonly Loaded[];
    try {
      loaded = await this.load(keys, errand);
    } catch (error) {
      await this.use(
        keys.map((key) => ({ key, fill: undefined, generations: undefined })),
        token,
      );
      fail(errand, keys, error);
      throw error;
    }
    const uses = keys.map((key, index) => toUse(key, loaded[index] as Loaded, generations, plan));
    const kept = await this.use(uses, token);
    for (const [index, key] of keys.entries()) {
      const isFill = uses[index]?.fill !== undefined;
      const isKept = kept?.has(key) ?? false;
      // Redis that does not answer has not refused.
      if (isFill && kept) this.counters[isKept ? 'fills' : 'refusedFills']++;
      land(key, loaded[index] as Loaded, isKept);
    }
  }

  private async use(uses: readonly LeaseUse[], token: string): Promise<ReadonlySet<string> | undefined> {
    return (await this.circuit.ask(() => this.leases.use(uses, token)))?.value;
  }

  /** Without a lease, and so without a place in the cache. */
  private async loadOnly(keys: readonly string[], errand: Errand, land: Landing): Promise<void> {
    this.counters.unleased += keys.length;
    let loaded: readonly Loaded[];
    try {
      loaded = await this.load(keys, errand);
    } catch (error) {
      fail(errand, keys, error);
      throw error;
    }
    for (const [index, key] of keys.entries()) land(key, loaded[index] as Loaded, false);
  }

  private async load(keys: readonly string[], { load, plan, flights }: Errand): Promise<Loaded[]> {
    for (const key of keys) {
      const flight = flights.get(key);
      if (flight) flight.loading = true;
    }
    this.counters.loads += keys.length;
    const values = await load(keys);
    return values.map((value) => this.codec.write(value, plan.objection?.(value)));
  }
}

type Landing = (key: string, loaded: Loaded, current: boolean) => void;

function landAll(flights: ReadonlyMap<string, Flight>): void {
  for (const flight of flights.values()) flight.land(undefined);
}

function fail({ flights }: Errand, keys: readonly string[], error: unknown): void {
  for (const key of keys) flights.get(key)?.fail(error);
}

function keysOf(requests: readonly LeaseRequest[]): string[] {
  return requests.map(({ key }) => key);
}

function toUse(
  key: string,
  { text, raw }: Loaded,
  generations: string | undefined,
  { ttlSeconds, negativeTtlSeconds, ttlJitter }: ReadPlan,
): LeaseUse {
  const seconds = raw === null ? negativeTtlSeconds : ttlSeconds;
  if (text === undefined || seconds === 0) return { key, fill: undefined, generations: undefined };
  const millis = Math.max(1, Math.round(seconds * 1_000 * (1 - Math.random() * ttlJitter)));
  const ttlMillis = Number.isFinite(millis) ? millis : undefined;
  return { key, fill: { value: text, ttlMillis }, generations };
}
