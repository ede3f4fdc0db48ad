import { setMaxListeners } from 'node:events';
import type { CacheflowConfig } from '../cacheflow.config';
import type { CheckpointKeeper } from '../checkpoint/checkpoint-keeper';
import type { Checkpoint, CheckpointStore } from '../checkpoint/checkpoint.store';
import { CacheflowError, messageOf } from '../errors/cacheflow.error';
import { CacheflowConfigurationError } from '../errors/configuration.error';
import type { ErrorReporter } from '../errors/error-reporter';
import { CheckpointFailedError, RedisRewoundError } from '../errors/redis.errors';
import {
  CacheflowStoppedError,
  PositionLostError,
  ServerIdClashError,
  SourceStalledError,
  SourceUnavailableError,
} from '../errors/source.errors';
import type { AppliedPosition } from '../pipeline/applied-position';
import type { ChangeQueue } from '../pipeline/change-queue';
import type { TableShape } from '../pipeline/stream';
import { Gate } from '../pipeline/gate';
import { lookAtSource, preflight } from '../preflight/preflight';
import { sleep, untilAborted, withDeadline } from '../support/abort';
import { Backoff } from '../support/backoff';
import { BinlogSource } from './binlog.source';
import type { ForeignKey } from './cascade-graph';
import { Cascades, logsCascades } from './cascades';
import type { ServerInfo } from './control-connection';
import { ControlConnection } from './control-connection';
import type { BinlogPosition } from './position';
import { comparePositions, formatPosition } from './position';
import { generateServerId } from './server-id';
import { findGap } from './find-gap';
import { RetentionWatch } from './retention-watch';
import { BinlogResetError, accessFault, classifySourceError } from './source-faults';
import type { Start } from './start-position';
import { findStart } from './start-position';
import { TableCatalog } from './table-catalog';
import type { TailState } from './tail-status';
import { Watchlist } from './watchlist';
import { createGtidTracker } from './zongji';

/** What a tail works with. */
export interface TailContext {
  readonly name: string;
  readonly config: CacheflowConfig;
  readonly errors: ErrorReporter;
  readonly queue: ChangeQueue;
  readonly position: AppliedPosition;
  readonly store: CheckpointStore;
  readonly keeper: CheckpointKeeper;
  readonly cache: TailCache;
  /** How far the applied changes are behind, in milliseconds. */
  lagMillis(): number;
  /** Whether a Redis that goes back takes the checkpoint with it, so that what it lost is read again. */
  readonly checkpointGoesBack: boolean;
  /** Drops what was read and not applied. */
  abandon(): void;
  /** The columns that somebody needs of the rows read at this place; undefined stands for all. */
  projection(table: TableShape, place: { file: string; offset: number }): ReadonlySet<string> | undefined;
}

/** What a tail asks of the cache that it feeds. Each call waits while Redis is away. */
export interface TailCache {
  /** The epoch of the server's changes from now on; see `claimEpoch`. */
  beginEpoch(
    identity: string,
    ended: number,
    signal: AbortSignal,
  ): Promise<{ readonly isFirst: boolean; readonly number: number }>;
  /** Takes the cache as it is now for what was written to it. */
  accept(signal: AbortSignal): Promise<void>;
  /** Whether commands were done later than in their turn, so that reading the stream again does not repeat them. */
  hasRetried(): boolean;
  /** Notices when the cache lost what was written to it. */
  verify(signal: AbortSignal): Promise<void>;
}

/** How often the source is asked for its position: for the lag, and to tell a quiet source from a dead one. */
const POLL_MILLIS = 5_000;
/** How long a transaction of the binlog may take until it can be read, where nobody can be asked. */
const VISIBLE_AFTER_MILLIS = 1_000;
/** A checkpoint that takes longer to load than this is worth a report, though it is still waited for. */
const SLOW_LOAD_MILLIS = 5_000;

/** Keeps a replication connection going: connects, resumes, watches, reconnects, until it is stopped. */
export class Tail {
  private currentState: TailState = 'idle';
  private readonly ending = new AbortController();
  /** Closed by `pause()`. */
  private readonly userGate = new Gate();
  /** Closed while there is no connection. */
  private readonly connected = new Gate();
  private control: ControlConnection | undefined;
  private server: ServerInfo | undefined;
  private source: BinlogSource | undefined;
  private running: Promise<void> | undefined;
  private checked = false;
  /** Why changes were missed, so that the next connection has to begin with a flush. */
  private lost: string | undefined;
  /** How often the stored checkpoint had to be gone on from: at the start, and whenever Redis has gone back. */
  private rewinds = 1;
  private rewindsDone = 0;
  /** The epoch of what was read last. */
  private epoch = 0;
  /** Nothing was read yet from the place that the options name. */
  private isFirstStart = false;
  private breakStream: ((error: Error) => void) | undefined;
  /** Where the source was when the app started: what it commits from then on must not be missed. */
  private bootPosition: BinlogPosition | undefined;
  /** Connections after the first one. */
  reconnects = -1;
  /** Those that were seen since the start, see Cascades. */
  private readonly foreignKeys = new Map<string, ForeignKey>();
  /** Row changes that were read from connections before this one. */
  private rowsBefore = 0;
  /** The source's own position when it was last asked. */
  sourcePosition: BinlogPosition | undefined;
  /** When it was first seen that the source is ahead, in milliseconds since 1970; undefined while it is not. */
  behindSince: number | undefined;
  /** The latest error's message while the tail is not streaming. */
  reason: string | undefined;
  serverId: number;

  constructor(private readonly context: TailContext) {
    // Whoever waits for something listens to it.
    setMaxListeners(0, this.ending.signal);
    this.serverId = context.config.serverId;
    this.connected.close();
  }

  get state(): TailState {
    const runs = this.currentState === 'streaming' || this.currentState === 'connecting';
    return runs && this.userGate.isClosed ? 'paused' : this.currentState;
  }

  get rowsRead(): number {
    return this.rowsBefore + (this.source?.rowsRead ?? 0);
  }

  /** Aborted when the tail has ended, by failing or by being stopped. */
  get ended(): AbortSignal {
    return this.ending.signal;
  }

  /** Looks at the source once, before anything starts. Rejects with the error of a source that cannot be reached. */
  async check(): Promise<Awaited<ReturnType<typeof lookAtSource>>> {
    const result = await lookAtSource(this.context.config, this.ended);
    this.checked = result.faults.length === 0;
    this.bootPosition = result.position;
    return result;
  }

  start(): void {
    this.currentState = 'connecting';
    this.running = this.run();
  }

  /** Stops reading; resolves when the connections are closed. */
  async stop(): Promise<void> {
    if (this.currentState !== 'failed') this.currentState = 'stopped';
    this.ending.abort(new CacheflowStoppedError('The tail was stopped'));
    this.userGate.open();
    this.closeConnections();
    await this.running;
  }

  /** Ends the tail for good, because what it reads can no longer be applied. */
  fail(error: CacheflowError): void {
    this.reason = error.message;
    this.context.errors.report(error);
    this.giveUp(error);
    this.closeConnections();
  }

  /** Redis has lost what was written to it: what it lost is read again. */
  rewind(error: RedisRewoundError): void {
    this.context.errors.report(error);
    this.rewinds++;
    this.reconnect(error);
  }

  /** Replaces the connection, e.g. because the address leads to another server now. */
  reconnect(error: Error): void {
    this.source?.close();
    this.context.abandon();
    this.breakStream?.(error);
  }

  /** The queue is full (or no longer). */
  holdForQueue(full: boolean): void {
    if (full) this.source?.hold('queue');
    else this.source?.release('queue');
  }

  pause(): void {
    this.userGate.close();
    this.source?.hold('user');
  }

  resume(): void {
    this.userGate.open();
    this.source?.release('user');
  }

  /** The position up to which the source has written, asked now; waits for a connection. */
  async askPosition(signal: AbortSignal): Promise<BinlogPosition> {
    for (;;) {
      await untilAborted(this.connected.pass(), signal);
      const { control, server } = this;
      try {
        if (control && server) {
          await untilAborted(this.context.cache.verify(signal), signal);
          const read = this.source?.readUpTo;
          const asked = await untilAborted(control.currentPosition(server), signal);
          if (!read || comparePositions(asked, read) >= 0) return asked;
          if (control === this.control) this.reconnect(new BinlogResetError());
        }
      } catch {
        // The watchdog sees the same and replaces the connection.
      }
      await sleep(50, signal);
    }
  }

  private async run(): Promise<void> {
    const backoff = new Backoff(this.context.config.reconnect);
    while (!this.ended.aborted) {
      try {
        await this.userGate.pass();
        await this.stream(backoff);
      } catch (error) {
        if (this.ended.aborted) return;
        const report = this.judge(error);
        if (report) {
          this.reason = report.message;
          this.context.errors.report(report);
          if (isFinal(report)) {
            this.giveUp(report);
            return;
          }
        }
      } finally {
        this.closeConnections();
      }
      this.currentState = this.ended.aborted ? 'stopped' : 'connecting';
      await backoff.wait(this.ended).catch(() => undefined);
    }
  }

  /** One connection, from its start to its break; rejects with what broke it. */
  private async stream(backoff: Backoff): Promise<never> {
    const { config, errors, queue } = this.context;
    const control = await ControlConnection.open(config.mysql, this.ended);
    this.control = control;
    const server = await control.serverInfo();
    this.server = server;
    await this.preflightOnce(control, server);

    const broken = new Promise<never>((_resolve, reject) => {
      this.breakStream = reject;
    });
    // Not unhandled when something else fails before it is awaited.
    broken.catch(() => undefined);
    const start = await this.whereToGoOn(control, server);

    const watchlist = new Watchlist(config.rules);
    const cascades = (await logsCascades(control, server))
      ? undefined
      : new Cascades(control, config.rules, config.cascades, watchlist, errors, this.foreignKeys);
    const catalog = new TableCatalog(
      control,
      server,
      watchlist,
      config.mysql,
      (table) => this.context.projection(table, source.readUpTo),
      cascades,
    );
    await catalog.warmUp();
    const source: BinlogSource = new BinlogSource(
      control,
      catalog,
      watchlist,
      {
        piece: (piece) => {
          backoff.reset();
          this.isFirstStart = false;
          queue.push(piece);
        },
        fault: (error) => errors.report(error),
        broken: (error) => this.breakStream?.(error),
        note: (message) => errors.info(message),
      },
      start.position,
      // Nothing but a changed row tells when a transaction without a MySQL GTID can be read.
      (gtid) => !config.barrier && (server.flavor === 'mariadb' || gtid === undefined),
    );
    this.ended.throwIfAborted();
    this.source = source;
    if (this.userGate.isClosed) source.hold('user');
    const open = {
      serverId: this.serverId,
      start: start.session,
      heartbeatMillis: config.watchdogMillis / 3,
    };
    // The watchdog only watches what streams.
    await withDeadline(config.watchdogMillis, this.ended, (signal) =>
      untilAborted(source.open(open), signal),
    );
    this.reconnects++;
    this.reason = undefined;
    this.currentState = 'streaming';
    this.connected.open();
    errors.info(
      `Tailing ${server.flavor} ${server.version} from ${formatPosition(start.position)} as server id ${this.serverId}`,
    );
    return Promise.race([broken, this.watch(source, control, server)]);
  }

  /** Where to go on. Whatever was missed or lost on the way is made up for by a flush at the head of the queue. */
  private async whereToGoOn(control: ControlConnection, server: ServerInfo): Promise<Start> {
    const { config, position, queue, cache } = this.context;
    const before = position.value;
    const isOther = before?.serverUuid !== undefined && before.serverUuid !== server.identity;
    const { rewinds } = this;
    const useStored = rewinds > this.rewindsDone;
    if (!useStored && before) this.lost ??= await findGap(control, server, before, this.ended);
    // What waits for another server's transactions would wait for ever; elsewhere what was read is applied first.
    if (isOther || useStored || this.lost !== undefined) this.context.abandon();
    await queue.drained(this.ended);

    const stored = useStored ? await this.loadCheckpoint() : undefined;
    const known = stored ?? position.value;
    // Without a position before, a flush was still waiting, which has gone through meanwhile.
    if ((useStored || !before) && known) this.lost ??= await findGap(control, server, known, this.ended);
    if (this.lost !== undefined && config.onPositionLost === 'fail') throw this.positionLost(this.lost);
    const epochBefore = Math.max(known?.epoch ?? 0, this.epoch);
    // A Redis that was emptied or has gone back must not make epochs begin anew.
    const ended = this.lost === undefined ? epochBefore - 1 : epochBefore;
    const epoch = await cache.beginEpoch(server.identity, ended, this.ended);
    const flush = this.reasonToFlush(useStored, stored, epoch.isFirst);
    await (useStored ? cache.accept(this.ended) : cache.verify(this.ended));

    const goesOn = this.lost === undefined ? known : undefined;
    const start = await findStart(
      control,
      server,
      goesOn ?? (this.lost === undefined ? this.latestAtBoot() : undefined),
      this.lost === undefined ? config.startAt : 'latest',
    );
    const sameServer = (goesOn?.serverUuid ?? server.identity) === server.identity;
    // Another server has the same transactions in other places.
    const place = sameServer ? start.position : { ...start.position, file: '', offset: 0 };
    position.start(
      flush === undefined ? place : undefined,
      { serverUuid: server.identity, epoch: epoch.number },
      start.position.gtidSet === undefined
        ? undefined
        : await createGtidTracker(server.flavor, start.position.gtidSet),
      sameServer,
    );
    if (flush !== undefined) await this.beginWithFlush(flush, place, server);
    else if (!known && config.startAt === 'latest') await this.saveStart();
    this.isFirstStart = flush === undefined && !known;
    this.rewindsDone = rewinds;
    this.epoch = epoch.number;
    this.lost = undefined;
    return { ...start, position: place };
  }

  /** Why all keys have to go before the stream goes on; undefined when they are right. */
  private reasonToFlush(
    useStored: boolean,
    stored: Checkpoint | undefined,
    isFirst: boolean,
  ): CacheflowError | undefined {
    if (this.lost !== undefined) return this.positionLost(this.lost);
    if (!useStored) return undefined;
    const hasGoneBack = this.rewinds > 1;
    if (stored) {
      const { cache, checkpointGoesBack } = this.context;
      if (!hasGoneBack || (checkpointGoesBack && !cache.hasRetried())) return undefined;
      return new RedisRewoundError(
        'Reading the stream again does not bring back all that Redis has lost (the checkpoint did not go back with it, or ' +
          'retries were done since): all keys of the watched tables are removed',
      );
    }
    if (!hasGoneBack && (isFirst || this.context.config.startAt !== 'latest')) return undefined;
    return new CheckpointFailedError(
      'The checkpoint is gone (Redis was emptied or has evicted it, or somebody deleted it): nobody knows which keys ' +
        'are right, and all keys of the watched tables are removed. Use a maxmemory-policy that evicts no keys without a TTL',
    );
  }

  /** The flush goes first through the queue, so that it is repeated if it is cut short. */
  private async beginWithFlush(
    reason: CacheflowError,
    place: BinlogPosition,
    server: ServerInfo,
  ): Promise<void> {
    const { errors, keeper, queue } = this.context;
    errors.report(reason);
    keeper.reset();
    // By GTID what is not executed yet will be read; by file and offset it may be committed but not yet visible.
    if (!(server.gtid && server.flavor === 'mysql')) await sleep(VISIBLE_AFTER_MILLIS, this.ended);
    // The next transaction begins at the place itself, and is newer than the flush.
    const { file } = place;
    const offset = Math.max(0, place.offset - 1);
    const flush = { kind: 'flush', table: undefined, position: { file, offset } } as const;
    queue.push({ items: [flush], bytes: 0, end: place, gtid: undefined });
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

  /** Rejects when the source is gone although the connection does not say so. */
  private async watch(source: BinlogSource, control: ControlConnection, server: ServerInfo): Promise<never> {
    const { config, position, cache, errors } = this.context;
    const retention = await RetentionWatch.of(control);
    for (;;) {
      await sleep(Math.min(POLL_MILLIS, config.watchdogMillis), this.ended);
      await cache.verify(this.ended);
      const read = source.readUpTo;
      this.sourcePosition = await control.currentPosition(server);
      if (comparePositions(this.sourcePosition, read) < 0) throw new BinlogResetError();
      const warning = retention.warning(this.context.lagMillis());
      if (warning) errors.warn(warning);
      if (position.hasReached(this.sourcePosition)) this.behindSince = undefined;
      else this.behindSince ??= Date.now();
      const ahead = comparePositions(this.sourcePosition, source.readUpTo) > 0;
      if (ahead && source.silentMillis > config.watchdogMillis) {
        throw new SourceStalledError(
          `The replication connection has been silent for ${source.silentMillis} ms although the source went on; it is replaced`,
        );
      }
    }
  }

  private async preflightOnce(control: ControlConnection, server: ServerInfo): Promise<void> {
    if (this.checked) return;
    const { name, config, errors } = this.context;
    const { faults, warnings } = await preflight(control, server, config);
    if (faults.length > 0) throw new CacheflowConfigurationError(name, faults);
    for (const warning of warnings) errors.warn(warning);
    this.checked = true;
  }

  private latestAtBoot(): BinlogPosition | undefined {
    return this.context.config.startAt === 'latest' ? this.bootPosition : undefined;
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
      this.reason = error.message;
      errors.report(error);
    };
    // A client of Redis may keep the question through an outage instead of failing it.
    this.reason = 'Waiting for the checkpoint: its store (Redis, unless you set another) has not answered';
    for (;;) {
      const slow = setTimeout(
        () => report('has not been loaded yet; still waiting for its store'),
        SLOW_LOAD_MILLIS,
      );
      try {
        return (await untilAborted(store.load(name), this.ended)) ?? undefined;
      } catch (cause) {
        this.ended.throwIfAborted();
        report(`could not be loaded: ${messageOf(cause)}; trying again`, cause);
      } finally {
        clearTimeout(slow);
      }
      await backoff.wait(this.ended);
    }
  }

  /** Says what an error means, and prepares for the next attempt; undefined where that has something to say. */
  private judge(error: unknown): CacheflowError | undefined {
    // It was reported when it was found.
    if (error instanceof RedisRewoundError) return undefined;
    if (error instanceof CacheflowError) return error;
    const { config, name } = this.context;
    const server =
      config.mysql.socketPath ?? `${config.mysql.host ?? '127.0.0.1'}:${config.mysql.port ?? 3306}`;
    switch (classifySourceError(error)) {
      case 'server-id': {
        const clash = new ServerIdClashError(this.serverId, { cause: error });
        this.serverId = generateServerId();
        return clash;
      }
      case 'position-lost':
        // The next connection sees to it.
        if (!this.isFirstStart) {
          this.lost =
            error instanceof BinlogResetError ? error.message : `the source says: ${messageOf(error)}`;
          return undefined;
        }
        return new PositionLostError(
          `The source cannot begin at the start position (${messageOf(error)}): correct \`startAt\``,
          { cause: error },
        );
      case 'denied':
      case 'unreachable':
    }
    // Later it may be a password or a certificate that is being renewed.
    const fault = this.checked ? undefined : accessFault(error, config.mysql);
    if (fault) return new CacheflowConfigurationError(name, [fault]);
    return new SourceUnavailableError(
      `The connection to ${server} failed (${messageOf(error)}); trying again`,
      {
        cause: error,
      },
    );
  }

  private giveUp(error: CacheflowError): void {
    this.currentState = 'failed';
    this.ending.abort(new CacheflowStoppedError(`The tail has failed: ${error.message}`));
  }

  private closeConnections(): void {
    this.connected.close();
    this.rowsBefore += this.source?.rowsRead ?? 0;
    this.source?.close();
    this.source = undefined;
    this.control?.close();
    this.control = undefined;
  }
}

function isFinal(error: CacheflowError): boolean {
  return error instanceof CacheflowConfigurationError || error instanceof PositionLostError;
}
