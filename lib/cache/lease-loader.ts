import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { generationsOf } from '../redis/scripts/record';
import type { CacheCounters } from './cache-status';
import type { Circuit } from './circuit';
import type { Flight, Loaded } from './flights';
import type { LeaseReply, LeaseRequest, LeaseUse, Leases } from './leases';
import type { ReadPlan } from './read-options';
import type { ValueCodec } from './value-codec';

/** Loads the values of keys, in their order. */
export type LoadAll = (keys: readonly string[]) => Promise<readonly unknown[]>;

/** What to get, and how. */
export interface LoadJob {
  readonly plan: ReadPlan;
  readonly load: LoadAll;
  /** What the cache holds must not be served. */
  readonly isStrict: boolean;
  /** How long to wait for who has the lease. */
  readonly waitMillis: number;
  readonly flights: ReadonlyMap<string, Flight>;
}

/** Told of each value, and of the step of its flight from which on it was right. */
export type Landing = (key: string, loaded: Loaded, validFrom: number) => void;

/** What became of requests for leases. */
interface Sorted {
  readonly leased: string[];
  readonly held: LeaseRequest[];
  /** There is a value, which must not be served. */
  readonly unfit: LeaseRequest[];
  readonly refused: string[];
}

/** Between two looks at a key that another process is loading: short at first, because most loads are. */
const FIRST_PAUSE_MILLIS = 5;
const LONGEST_PAUSE_MILLIS = 50;

/**
 * Loads what the cache does not have: of all processes the one that gets the lease, which puts the value into the cache,
 * unless the lease was lost meanwhile.
 */
export class LeaseLoader {
  /** The keys that the running code loads, so that it does not wait for itself when it reads one of them. */
  private readonly loading = new AsyncLocalStorage<ReadonlySet<string>>();

  constructor(
    private readonly leases: Leases,
    private readonly circuit: Circuit,
    private readonly codec: ValueCodec,
    private readonly counters: CacheCounters,
  ) {}

  /** Whether the caller is a loader of the key, or was called by one. */
  isLoading(key: string): boolean {
    return this.loading.getStore()?.has(key) ?? false;
  }

  /** Rejects with the loader's error. */
  async obtain(requests: readonly LeaseRequest[], job: LoadJob, land: Landing): Promise<void> {
    const patience = performance.now() + (job.isStrict ? 0 : job.waitMillis);
    const token = this.leases.newToken();
    const loads: Promise<void>[] = [];
    const begin = (load: Promise<void>): void => {
      // It may fail while another key is still being waited for.
      load.catch(() => undefined);
      loads.push(load);
    };
    const alone = (keys: readonly string[]): void => {
      if (keys.length > 0) begin(this.loadAlone(keys, job, land));
    };
    let waiting = requests.filter(({ key }) => this.leases.isPossible(key));
    alone(keysOf(requests.filter(({ key }) => !this.leases.isPossible(key))));
    let pause = FIRST_PAUSE_MILLIS;
    while (waiting.length > 0) {
      const step = nextSteps(job, keysOf(waiting));
      const answer = await this.ask(waiting, token, job.plan);
      if (!answer) {
        alone(keysOf(waiting));
        break;
      }
      const { leased, held, unfit, refused } = this.sort(waiting, answer, (key, loaded) =>
        land(key, loaded, step(key)),
      );
      if (leased.length > 0)
        begin(this.loadAndFill(leased, { token, generations: answer.generations }, job, land));
      alone(refused);
      waiting = [...unfit, ...held];
      if (waiting.length > 0 && performance.now() >= patience) {
        alone(keysOf(waiting));
        break;
      }
      if (unfit.length > 0 || held.length === 0) continue;
      await sleep(pause);
      pause = Math.min(2 * pause, LONGEST_PAUSE_MILLIS);
    }
    await Promise.all(loads);
  }

  /** Without a lease, and so without a place in the cache. */
  async loadAlone(keys: readonly string[], job: LoadJob, land: Landing): Promise<void> {
    this.counters.unleased += keys.length;
    const { loaded, step } = await this.load(keys, job);
    for (const [index, key] of keys.entries()) land(key, loaded[index] as Loaded, step(key));
  }

  /** Undefined where Redis does not answer. */
  private async ask(
    requests: readonly LeaseRequest[],
    token: string,
    plan: ReadPlan,
  ): Promise<Answer | undefined> {
    const asking = (async (): Promise<Answer> => {
      const generations = plan.tags.length > 0 ? await this.leases.generations(plan.tags) : undefined;
      return { generations, replies: await this.leases.take(requests, token, plan.leaseMillis) };
    })();
    const answer = await this.circuit.ask(() => asking);
    // What is given all the same, later, would keep others waiting.
    if (!answer) void this.giveBackLater(asking, token);
    return answer?.value;
  }

  private async giveBackLater(asking: Promise<Answer>, token: string): Promise<void> {
    try {
      const { replies } = await asking;
      const leased = [...replies].filter(([, { state }]) => state === 'leased').map(([key]) => key);
      if (leased.length > 0) await this.leases.use(leased.map(toRelease), token);
    } catch {
      // It ends by itself.
    }
  }

  /** Lands what was found; tells the rest apart. */
  private sort(
    asked: readonly LeaseRequest[],
    { replies, generations }: Answer,
    found: (key: string, loaded: Loaded) => void,
  ): Sorted {
    const sorted: Sorted = { leased: [], held: [], unfit: [], refused: [] };
    for (const request of asked) {
      const { key } = request;
      const reply = replies.get(key);
      if (reply?.state === 'leased') sorted.leased.push(key);
      else if (reply?.state === 'refused') {
        this.circuit.refused(reply.error);
        sorted.refused.push(key);
      } else if (reply?.state !== 'found') sorted.held.push(request);
      else if (generations !== undefined && generationsOf(reply.record) !== generations) {
        sorted.unfit.push({ key, unfit: { kind: 'seen', record: reply.record } });
      } else if (!this.codec.read(reply.value)) sorted.unfit.push({ key, unfit: { kind: 'all' } });
      else found(key, { text: reply.value, raw: undefined });
    }
    return sorted;
  }

  private async loadAndFill(
    keys: readonly string[],
    { token, generations }: { readonly token: string; readonly generations: string | undefined },
    job: LoadJob,
    land: Landing,
  ): Promise<void> {
    const { plan } = job;
    let load;
    try {
      load = await this.load(keys, job);
    } catch (error) {
      await this.circuit.ask(() => this.leases.use(keys.map(toRelease), token));
      throw error;
    }
    const { loaded, step } = load;
    const uses = keys.map((key, index) => toUse(key, loaded[index] as Loaded, generations, plan));
    const fillStep = nextSteps(job, keys);
    const answer = await this.circuit.ask(() => this.leases.use(uses, token));
    for (const [index, key] of keys.entries()) {
      const reply = answer?.value.get(key);
      if (reply instanceof Error) this.circuit.refused(reply);
      const isKept = reply === true && uses[index]?.fill !== undefined;
      // Redis that does not answer has not refused.
      if (uses[index]?.fill && typeof reply === 'boolean') this.counters[reply ? 'fills' : 'refusedFills']++;
      // A tag that was invalidated meanwhile takes no lease away, and the tail may be behind for who is strict.
      const isCurrent = isKept && plan.tags.length === 0 && !job.isStrict;
      land(key, loaded[index] as Loaded, isCurrent ? fillStep(key) : step(key));
    }
  }

  private async load(
    keys: readonly string[],
    job: LoadJob,
  ): Promise<{ loaded: Loaded[]; step: (key: string) => number }> {
    const { load, plan, flights } = job;
    for (const key of keys) {
      const flight = flights.get(key);
      if (flight) flight.isLoading = true;
    }
    const step = nextSteps(job, keys);
    this.counters.loads += keys.length;
    const inside = new Set([...(this.loading.getStore() ?? []), ...keys]);
    const values = await this.loading.run(inside, async () => load(keys));
    return { loaded: values.map((value) => this.codec.write(value, plan.storability?.(value))), step };
  }
}

interface Answer {
  readonly generations: string | undefined;
  readonly replies: ReadonlyMap<string, LeaseReply>;
}

/** Begins a step of each flight, and gives its number by key. */
function nextSteps({ flights }: LoadJob, keys: readonly string[]): (key: string) => number {
  const steps = new Map(keys.map((key) => [key, flights.get(key)?.nextStep() ?? 0]));
  return (key) => steps.get(key) ?? 0;
}

function keysOf(requests: readonly LeaseRequest[]): string[] {
  return requests.map(({ key }) => key);
}

function toRelease(key: string): LeaseUse {
  return { key, fill: undefined, generations: undefined };
}

function toUse(
  key: string,
  { text, raw }: Loaded,
  generations: string | undefined,
  { ttlSeconds, negativeTtlSeconds, ttlJitter }: ReadPlan,
): LeaseUse {
  const seconds = raw === null ? negativeTtlSeconds : ttlSeconds;
  if (text === undefined || seconds === 0) return toRelease(key);
  const millis = Math.max(1, Math.round(seconds * 1_000 * (1 - Math.random() * ttlJitter)));
  return { key, fill: { value: text, ttlMillis: Number.isFinite(millis) ? millis : undefined }, generations };
}
