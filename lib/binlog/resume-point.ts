import type { CacheflowConfig } from '../config/cacheflow.config';
import type { CheckpointKeeper } from '../checkpoint/checkpoint-keeper';
import type { Checkpoint, CheckpointStore } from '../options/checkpoint.store';
import type { CacheflowError } from '../errors/cacheflow.error';
import { messageOf } from '../errors/cacheflow.error';
import type { ErrorReporter } from '../errors/error-reporter';
import { CheckpointFailedError, RedisRewoundError } from '../errors/redis.errors';
import { PositionLostError, SourceUnavailableError } from '../errors/source.errors';
import type { AppliedPosition } from '../pipeline/applied-position';
import type { ChangeQueue } from '../pipeline/change-queue';
import { sleep, untilAborted } from '../support/abort';
import { Backoff } from '../support/backoff';
import type { ControlConnection, ServerInfo } from '../mysql/control-connection';
import { findGap } from './find-gap';
import type { BinlogPosition, PreparedTransaction } from '../change/position';
import type { Start } from './start-position';
import { findStart } from './start-position';
import { createGtidTracker } from '../mysql/zongji';
import { nameOf } from '../change/table-name';
import type { TableScope } from '../change/table-name';
import type { CacheHistory } from './cache-history';

/** What it takes to find out where to go on. */
export interface ResumeContext {
  readonly name: string;
  readonly config: CacheflowConfig;
  readonly errors: ErrorReporter;
  readonly queue: ChangeQueue;
  readonly position: AppliedPosition;
  readonly store: CheckpointStore;
  readonly keeper: CheckpointKeeper;
  readonly cache: CacheHistory;
  /** Whether a Redis that goes back takes the checkpoint with it, so that what it lost is read again. */
  readonly checkpointGoesBack: boolean;
  /** Drops what was read and not applied. */
  abandon(): void;
}

/** Where a connection goes on. */
export interface ResumeStart extends Start {
  /** The XA transactions that are prepared there. */
  readonly prepared: readonly PreparedTransaction[];
}

/** When somebody goes on. */
export interface ResumeOccasion {
  /** Where the source was when the app started; undefined where it was away. */
  readonly bootPosition: BinlogPosition | undefined;
  /** The fencing token of what is saved from now on; 0 without a group. */
  readonly term: number;
  /** See `Term`. */
  readonly uncovered: readonly (TableScope | undefined)[];
}

/** How long a transaction of the binlog may take until it can be read, where nobody can be asked. */
const VISIBLE_AFTER_MILLIS = 1_000;
/** A checkpoint that takes longer to load than this is worth a report, though it is still waited for. */
const SLOW_LOAD_MILLIS = 5_000;

/** Finds out where each connection goes on, and makes up for what was missed or lost before it. */
export class ResumePoint {
  /** Why changes were missed, so that the next connection has to begin with a flush. */
  private lost: string | undefined;
  /** How often the stored checkpoint had to be gone on from: at the start, and whenever Redis has gone back. */
  private rewinds = 1;
  private rewindsDone = 0;
  /** The epoch of what was read last. */
  private epoch = 0;
  private firstStart = false;
  private refusedByGtid = false;
  private avoidsFile = false;

  constructor(
    private readonly context: ResumeContext,
    private readonly ended: AbortSignal,
    /** Told why it takes long. */
    private readonly onWaiting: (reason: string) => void,
  ) {}

  /** Nothing was read yet from the place that the options name. */
  get isFirstStart(): boolean {
    return this.firstStart;
  }

  /** Something was read from where the latest connection went on. */
  wasRead(): void {
    this.firstStart = false;
    this.refusedByGtid = false;
    this.avoidsFile = false;
  }

  /** The place in a file was about to be read from another server: a GTID set, if there is one, means the same on both. */
  metOtherServer(): void {
    this.avoidsFile = true;
  }

  /** The source serves nobody by GTID set: the next connection goes on by file and offset, if they are known. */
  refused(reason: string): void {
    if (this.refusedByGtid || !this.context.position.value?.file) this.missed(reason);
    this.refusedByGtid = true;
  }

  /** Changes were missed: the next connection begins with a flush. */
  missed(reason: string): void {
    this.lost = reason;
  }

  /** Redis has gone back: the next connection goes on from the checkpoint that is stored there. */
  goBack(): void {
    this.rewinds++;
  }

  /** Another process may have led since: all that is known of the stream is what it stored. */
  beginTerm(): void {
    this.rewinds = 1;
    this.rewindsDone = 0;
    this.lost = undefined;
    this.context.keeper.reset();
  }

  /** Where to go on. Whatever was missed or lost on the way is made up for by a flush at the head of the queue. */
  async find(
    control: ControlConnection,
    server: ServerInfo,
    { bootPosition, term, uncovered }: ResumeOccasion,
  ): Promise<ResumeStart> {
    const { config, errors, position, queue, cache } = this.context;
    const before = position.value;
    const isOther = before?.serverUuid !== undefined && before.serverUuid !== server.identity;
    const { rewinds } = this;
    const useStored = rewinds > this.rewindsDone;
    if (!useStored && before) this.lost ??= await findGap(control, server, before, this.ended);
    // What waits for another server's transactions would wait for ever; elsewhere what was read is applied first.
    if (isOther || useStored || this.lost !== undefined) this.context.abandon();
    await queue.drained(this.ended);

    // Before the checkpoint is loaded, so that a Redis that goes back afterwards is noticed.
    if (useStored) await cache.accept(this.ended);
    const stored = useStored ? await this.loadCheckpoint() : undefined;
    // The applied position may have passed handlers that still run; what was saved has not.
    const known = stored ?? (useStored ? this.context.keeper.saved : undefined) ?? position.value;
    // Without a position before, a flush was still waiting, which has gone through meanwhile.
    if ((useStored || !before) && known) this.lost ??= await findGap(control, server, known, this.ended);
    if (this.lost !== undefined && config.onPositionLost === 'fail') throw this.positionLost(this.lost);
    const epochBefore = Math.max(known?.epoch ?? 0, this.epoch);
    // A Redis that was emptied or has gone back must not make epochs begin anew.
    const ended = this.lost === undefined ? epochBefore - 1 : epochBefore;
    const epoch = await cache.beginEpoch(server.identity, ended, this.ended);
    await cache.checkRewind(this.ended);
    const { masters } = cache;
    const flush = this.reasonToFlush(useStored, stored, epoch.isFirst, bootPosition !== undefined);

    const goesOn = this.lost === undefined ? known : undefined;
    const start = await findStart(
      control,
      server,
      goesOn ?? (this.lost === undefined && config.startAt === 'latest' ? bootPosition : undefined),
      { startAt: this.lost === undefined ? config.startAt : 'latest', byFile: !this.avoidsFile },
    );
    const sameServer = (goesOn?.serverUuid ?? server.identity) === server.identity;
    // Another server has the same transactions in other places.
    const prepared = preparedOf(goesOn, sameServer);
    const place: Checkpoint = {
      ...start.position,
      ...(sameServer ? {} : { file: '', offset: 0 }),
      ...(prepared.length > 0 ? { prepared } : {}),
    };
    position.start(
      flush === undefined && uncovered.length === 0 ? place : undefined,
      {
        serverUuid: server.identity,
        epoch: epoch.number,
        ...(term > 0 ? { term } : {}),
        ...(masters ? { redisMasters: masters } : {}),
      },
      start.position.gtidSet === undefined
        ? undefined
        : await createGtidTracker(server.flavor, start.position.gtidSet),
      sameServer,
    );
    if (flush !== undefined) {
      errors.report(flush);
      await this.beginWithFlush([undefined], place, server);
    } else if (uncovered.length > 0) await this.coverTables(uncovered, place, server);
    else if (!known && config.startAt === 'latest') await this.saveStart();
    this.firstStart = flush === undefined && !known;
    this.rewindsDone = rewinds;
    this.epoch = epoch.number;
    this.lost = undefined;
    return { ...start, position: place, prepared };
  }

  /** Why all keys have to go before the stream goes on; undefined when they are right. */
  private reasonToFlush(
    useStored: boolean,
    stored: Checkpoint | undefined,
    isFirst: boolean,
    wasReached: boolean,
  ): CacheflowError | undefined {
    if (this.lost !== undefined) return this.positionLost(this.lost);
    if (!useStored) return undefined;
    const hasGoneBack = this.rewinds > 1;
    if (stored) {
      const { cache, checkpointGoesBack } = this.context;
      const before = stored.redisMasters;
      if (!hasGoneBack && before && cache.masters?.some((master) => !before.includes(master))) {
        return new RedisRewoundError(
          'While the app was not running, a master of the Redis Cluster was replaced or restarted, and may have lost writes ' +
            'that it had confirmed: all keys of the watched tables are removed',
        );
      }
      if (!hasGoneBack || (checkpointGoesBack && !cache.hasRetried())) return undefined;
      return new RedisRewoundError(
        'Reading the stream again does not bring back all that Redis has lost (the checkpoint did not go back with it, or ' +
          'retries were done since): all keys of the watched tables are removed',
      );
    }
    if (!hasGoneBack && this.context.config.startAt !== 'latest') return undefined;
    if (!hasGoneBack && isFirst) {
      return wasReached
        ? undefined
        : new SourceUnavailableError(
            'The source was away when the app started for the first time: what readers have cached before now may be old ' +
              'already, and all keys of the watched tables are removed',
          );
    }
    return new CheckpointFailedError(
      'The checkpoint is gone (Redis was emptied or has evicted it, or somebody deleted it): nobody knows which keys ' +
        'are right, and all keys of the watched tables are removed. Use a maxmemory-policy that evicts no keys without a TTL',
    );
  }

  /** What others have cached of these tables was not kept right by those that led. */
  private async coverTables(
    tables: readonly (TableScope | undefined)[],
    place: Checkpoint,
    server: ServerInfo,
  ): Promise<void> {
    const names = tables.map((table) =>
      table?.table ? nameOf({ schema: table.schema, table: table.table }) : '*',
    );
    this.context.errors.info(
      `The options of ${names.join(', ')} are others than those of the leader before: the keys of these tables are removed`,
    );
    await this.beginWithFlush(tables, place, server);
  }

  /** The flush goes first through the queue, so that it is repeated if it is cut short. */
  private async beginWithFlush(
    tables: readonly (TableScope | undefined)[],
    place: Checkpoint,
    server: ServerInfo,
  ): Promise<void> {
    const { keeper, queue } = this.context;
    keeper.reset();
    // By GTID what is not executed yet will be read; by file and offset it may be committed but not yet visible.
    if (!(server.gtid && server.flavor === 'mysql')) await sleep(VISIBLE_AFTER_MILLIS, this.ended);
    // The next transaction begins at the place itself, and is newer than the flush.
    const { file } = place;
    const offset = Math.max(0, place.offset - 1);
    const items = tables.map((table) => ({ kind: 'flush', table, position: { file, offset } }) as const);
    const { prepared } = place;
    queue.push({ items, bytes: 0, end: place, gtid: undefined, ...(prepared ? { prepared } : {}) });
  }

  private positionLost(reason: string): PositionLostError {
    const flushes = this.context.config.onPositionLost === 'flush';
    return new PositionLostError(
      `Changes were missed, because ${reason}; ` +
        (flushes
          ? 'all keys of the watched tables are removed, and the tail goes on from now'
          : 'empty the cache, delete the checkpoint and restart (onPositionLost is fail)'),
    );
  }

  /** A first start that dies before its first change has to begin at the same place again. */
  private async saveStart(): Promise<void> {
    const { keeper, position } = this.context;
    if (position.value) keeper.applied(position.value, undefined);
    await untilAborted(keeper.save(), this.ended);
  }

  /** Waits for a store that is away; a checkpoint that cannot be read must not be taken for none. */
  private async loadCheckpoint(): Promise<Checkpoint | undefined> {
    const { name, store, errors } = this.context;
    const backoff = new Backoff(this.context.config.reconnect);
    const report = (problem: string, cause?: unknown): void => {
      const error = new CheckpointFailedError(`The checkpoint ${problem}`, { cause });
      this.onWaiting(error.message);
      errors.report(error);
    };
    // A client of Redis may keep the question through an outage instead of failing it.
    this.onWaiting('Waiting for the checkpoint: its store (Redis, unless you set another) has not answered');
    for (;;) {
      const slow = setTimeout(
        () => report('has not been loaded yet; still waiting for its store'),
        SLOW_LOAD_MILLIS,
      );
      try {
        const stored = (await untilAborted(store.load(name), this.ended)) ?? undefined;
        if (stored) this.context.keeper.saved = stored;
        return stored;
      } catch (cause) {
        this.ended.throwIfAborted();
        report(`could not be loaded: ${messageOf(cause)}; trying again`, cause);
      } finally {
        clearTimeout(slow);
      }
      await backoff.wait(this.ended);
    }
  }
}

/** The XA transactions that wait where the stream goes on; another server has them in other places. */
function preparedOf(known: Checkpoint | undefined, sameServer: boolean): readonly PreparedTransaction[] {
  const { prepared = [] } = known ?? {};
  return sameServer ? prepared : prepared.map(({ at: _at, ...rest }) => rest);
}
