import { setTimeout as sleep } from 'node:timers/promises';
import type { TopologyName } from '../../support/redis/topology';
import type { App } from './app';
import type { AppGroup } from './app-group';
import type { EventFindings } from './event-findings';
import type { FaultScene } from './faults';
import { hitsRabbit, inject, needsRabbit, needsReplica } from './faults';
import { Load } from './load';
import { Random } from './random';
import { catchUp, checkpointed } from './settle';
import { SqlPair } from './sql-pair';
import type { Finding } from './verifier';
import { Verifier } from './verifier';
import type { SqlKind } from './world';
import { World } from './world';
import type { WriteName } from './writes';
import type { WriteCounts } from './writes/write-counts';

const CATCH_UP_MILLIS = 120_000;
const SETTLE_MILLIS = 120_000;

export interface ChaosOptions {
  readonly server: SqlKind;
  /** @defaultValue 'single' */
  readonly redis?: TopologyName;
  /** How long faults are injected. */
  readonly seconds: number;
  /** Goes on until each kind of fault was injected once. @defaultValue false */
  readonly each?: boolean;
  readonly seed: number;
  readonly writers: number;
  /** Of the app, one of which leads. @defaultValue 1 */
  readonly processes?: number;
  /** The handlers' calls are spread over all processes by RabbitMQ. @defaultValue false */
  readonly distribute?: boolean;
  /** The names of the faults to inject. */
  readonly faults: readonly string[];
  /** Truncate tables now and then. */
  readonly truncate: boolean;
  /** What is written besides plain transactions; nothing, unless given. */
  readonly writes?: readonly WriteName[];
  /** Told what happens. */
  readonly log: (line: string) => void;
}

/** What a run came to. */
export interface ChaosResult extends EventFindings {
  readonly server: string;
  readonly redis: string;
  readonly processes: number;
  readonly distribute: boolean;
  readonly seed: number;
  readonly seconds: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly writes: Readonly<WriteCounts>;
  readonly reads: number;
  readonly fills: number;
  /** Fills that an invalidation overtook. */
  readonly refused: number;
  /** Cached values that were compared with their row. */
  readonly compared: number;
  /** Events and cached values of row states that never committed. */
  readonly phantom: number;
  /** The cached values among them; they are stale as well. */
  readonly phantomValues: number;
  readonly surplus: number;
  readonly stale: readonly Finding[];
  /** What hung or ended unasked. */
  readonly problems: readonly string[];
  /** Errors that the app reported, by code. */
  readonly errors: Readonly<Record<string, number>>;
}

/** Load and faults for a while; then everything is compared. Starts its servers and ends them. */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const { server, redis, faults, distribute = false } = options;
  const world = await World.open(server, {
    rabbit: distribute || faults.some(needsRabbit),
    replica: faults.some(needsReplica),
    ...(redis ? { redis } : {}),
  });
  try {
    const run = new ChaosRun(world, options);
    try {
      return await run.run();
    } finally {
      await run.stopLoad();
    }
  } finally {
    await world.dispose();
  }
}

class ChaosRun {
  private readonly random: Random;
  private readonly load: Load;
  private readonly verifier: Verifier;
  private readonly faults: Record<string, number> = {};
  private readonly problems: string[] = [];
  private readonly background = new Map<string, Promise<void>>();
  private scene!: Omit<FaultScene, 'app' | 'random'>;
  private apps!: AppGroup;

  constructor(
    private readonly world: World,
    private readonly options: ChaosOptions,
  ) {
    this.random = new Random(options.seed);
    const isMariadbPair = world.sql instanceof SqlPair && world.sql.kind === 'mariadb';
    this.load = new Load(world, {
      random: this.random.fork(),
      writers: options.writers,
      truncate: options.truncate,
      // Replicas of MariaDB 10.11 do not follow XA reliably: some stop at a transaction that they do not know.
      writes: (options.writes ?? []).filter((name) => !(isMariadbPair && name === 'xa')),
    });
    this.verifier = new Verifier(world);
  }

  async run(): Promise<ChaosResult> {
    const { world, options } = this;
    const { processes = 1, distribute = false } = options;
    const apps = await world.group(processes, distribute);
    this.apps = apps;
    this.scene = {
      world,
      apps,
      check: () => this.check(),
      checkpointed: () => checkpointed(apps, world.sql, SETTLE_MILLIS),
      withoutFragileWrites: (work) => this.withoutFragileWrites(work),
      withoutPrepared: (work) => this.load.writers.withoutPrepared(work),
      withoutWrites: (work) => this.load.writers.without(work),
      later: (kind, work) => this.later(kind, work),
      finished: async (kind) => this.background.get(kind),
    };
    await apps.start();
    await apps.caughtUp(SETTLE_MILLIS);
    this.load.start();
    const started = Date.now();
    await this.inject(started + options.seconds * 1_000);
    await Promise.all(this.background.values());
    await this.heal();
    // Nothing is written after it, which the app might not be told of any more.
    await this.compare();
    const seconds = Math.round((Date.now() - started) / 1_000);
    await this.load.stop();
    // Ends the handlers in hand.
    if (!(await apps.terminate())) this.problem('The app did not end in time after SIGTERM');
    const events = await this.verifier.checkEvents(apps.eventFiles, distribute);
    for (const [name, count] of Object.entries(events.ofNothing))
      this.problem(`${count} events of ${name}, which is no table`);
    const { verifier, faults, problems } = this;
    const { phantomValues } = verifier;
    const { writers, readers } = this.load;
    return {
      server: `${options.server} ${world.sql.version}`,
      redis: world.redis.version,
      processes,
      distribute,
      seed: options.seed,
      seconds,
      faults,
      ...events,
      phantom: events.phantom + phantomValues,
      phantomValues,
      // The name by which the race tests ask for them.
      surplus: events.phantom,
      writes: writers.counts,
      reads: readers.reads,
      fills: readers.status.fills,
      refused: readers.status.refusedFills,
      compared: verifier.compared,
      stale: verifier.stale,
      problems,
      errors: apps.errors,
    };
  }

  /** A server that is killed may forget an XA transaction that its replica has prepared, which then waits for ever. */
  private async withoutFragileWrites(work: () => Promise<void>): Promise<void> {
    const { writers } = this.load;
    const withoutFragile = (): Promise<void> => writers.withoutFragile(work);
    await (this.world.sql instanceof SqlPair ? writers.withoutPrepared(withoutFragile) : withoutFragile());
  }

  async stopLoad(): Promise<void> {
    await this.load.stop();
  }

  /** One fault after another: each kind once, then each kind again, in another order. */
  private async inject(deadline: number): Promise<void> {
    const { options, random, scene } = this;
    let bag: string[] = [];
    await sleep(1_000);
    const isMissing = (): boolean => options.faults.some((kind) => !this.faults[kind]);
    while (Date.now() < deadline || (options.each && isMissing())) {
      if (options.faults.length === 0) {
        await sleep(deadline - Date.now());
        return;
      }
      await scene.world.redis.prepare().catch((error: unknown) => this.problem(`snapshot: ${String(error)}`));
      if (bag.length === 0) bag = random.shuffled(options.faults);
      const kind = bag.shift() ?? '';
      // The numbers of one fault do not shift those of the next.
      const own = random.fork();
      if (hitsRabbit(kind)) await this.background.get('rabbit');
      await this.injectOne(kind, own);
      await sleep(random.int(300, 1_800));
    }
  }

  private async injectOne(kind: string, random: Random): Promise<void> {
    const { journal } = this.world;
    const started = Date.now();
    journal.incident(`fault ${kind}`);
    this.faults[kind] = (this.faults[kind] ?? 0) + 1;
    try {
      await inject(kind, { ...this.scene, app: this.apps.any(random), random });
    } catch (error) {
      this.problem(`${kind}: ${error instanceof Error ? error.message : String(error)}`);
    }
    journal.incident(`healed ${kind}`);
    const took = ((Date.now() - started) / 1_000).toFixed(1);
    this.options.log(
      `${journal.time(started)} ${kind} (${took} s)  ${this.load.writers.counts.rows} rows changed`,
    );
    await this.reviveApps();
  }

  private async reviveApps(): Promise<void> {
    for (const app of this.apps.all) await this.revive(app);
  }

  /** An app that ended unasked, or whose tail did, is told of and started again, so that the run goes on. */
  private async revive(app: App): Promise<void> {
    if (app.isRunning) {
      const status = await app.status().catch(() => undefined);
      if (status?.state !== 'failed') return;
      this.problem(`the tail has failed: ${status.reason ?? 'no reason'}`);
      await app.kill();
    } else this.problem('the app ended by itself');
    await app.start();
  }

  private later(kind: string, work: () => Promise<void>): void {
    const done = work().catch((error: unknown) => this.problem(`${kind}: ${String(error)}`));
    this.background.set(kind, done);
  }

  private async heal(): Promise<void> {
    const { sql, redis, rabbit, links } = this.world;
    for (const server of [sql, rabbit]) server?.resume();
    for (const link of [links.sql, links.rabbit]) link?.resume();
    await redis.heal();
    this.apps.resume();
    await this.reviveApps();
  }

  /** Compares in the middle of the load. */
  private async check(): Promise<void> {
    await this.compare();
    this.load.resume();
  }

  /** Stops the load, waits for the app, and compares every key with its row. */
  private async compare(): Promise<void> {
    await this.load.writers.pause();
    const staleBefore = this.verifier.stale.length;
    try {
      // Readers go on while the app catches up: that is when they could fill something old.
      await catchUp(this.apps, CATCH_UP_MILLIS, () => this.world.parked());
      await this.load.readers.pause();
      await this.verifier.checkCache();
    } catch (error) {
      this.problem(`check: ${error instanceof Error ? error.message : String(error)}`);
    }
    const stale = this.verifier.stale.length - staleBefore;
    if (stale > 0) this.options.log(`${this.world.journal.time(Date.now())} check: ${stale} stale keys`);
  }

  private problem(text: string): void {
    this.problems.push(text);
    this.world.journal.incident(`problem: ${text}`);
    this.options.log(`${this.world.journal.time(Date.now())} problem: ${text}`);
  }
}
