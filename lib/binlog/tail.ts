import { setMaxListeners } from 'node:events';
import { CacheflowError, messageOf } from '../errors/cacheflow.error';
import { CacheflowConfigurationError } from '../errors/configuration.error';
import { RedisRewoundError } from '../errors/redis.errors';
import {
  CacheflowStoppedError,
  PositionLostError,
  ServerIdClashError,
  SourceStalledError,
  SourceUnavailableError,
} from '../errors/source.errors';
import type { TableShape } from '../change/stream';
import type { TableName } from '../change/table-name';
import { Gate } from '../support/gate';
import { lookAtSource, preflight } from '../preflight/preflight';
import { sleep, untilAborted, withDeadline } from '../support/abort';
import { Backoff } from '../support/backoff';
import { BinlogSource } from './binlog.source';
import type { ForeignKey } from './cascade-graph';
import { Cascades, logsCascades } from './cascades';
import type { ServerInfo } from '../mysql/control-connection';
import { ControlConnection } from '../mysql/control-connection';
import type { BinlogPosition } from '../change/position';
import { comparePositions, formatPosition } from '../change/position';
import { generateServerId } from '../config/server-id';
import type { ResumeContext } from './resume-point';
import { ResumePoint } from './resume-point';
import { RetentionWatch } from './retention-watch';
import { BinlogResetError, OtherServerError, accessFault, classifySourceError } from '../mysql/source-faults';
import { TableCatalog } from './table-catalog';
import { loadTableDefinition, shapeOf } from '../mysql/table-definition';
import type { TailState } from './tail-state';
import { Watchlist } from './watchlist';
import { createGtidTracker } from '../mysql/zongji';

/** What a tail works with. */
export interface TailContext extends ResumeContext {
  /** What a watched table looks like. */
  learn(shape: TableShape): void;
  /** How far the applied changes are behind, in milliseconds. */
  lagMillis(): number;
  /** The columns that somebody needs of the rows read at this place; undefined stands for all. */
  projection(table: TableShape, place: { file: string; offset: number }): ReadonlySet<string> | undefined;
}

/** How often the source is asked for its position: for the lag, and to tell a quiet source from a dead one. */
const POLL_MILLIS = 5_000;

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
  private readonly resumePoint: ResumePoint;
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
    this.resumePoint = new ResumePoint(context, this.ended, (reason) => {
      this.reason = reason;
    });
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
    for (const shape of result.shapes) this.context.learn(shape);
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
    this.resumePoint.goBack();
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
      const { control } = this;
      try {
        if (control) {
          await untilAborted(this.context.cache.verify(signal), signal);
          const read = this.source?.readUpTo;
          const asked = await untilAborted(control.currentPlace(), signal);
          if (!read || comparePositions(asked, read) >= 0) return asked;
          if (control === this.control) this.reconnect(new BinlogResetError());
        }
      } catch {
        // The watchdog sees the same and replaces the connection.
      }
      await sleep(50, signal);
    }
  }

  /** What the source says of a table now; undefined where there is none. Rejects while the source is away. */
  async describe(name: TableName): Promise<TableShape | undefined> {
    const { control, server } = this;
    if (!control || !server) throw new Error('There is no connection to the source');
    const definition = await loadTableDefinition(control, server.flavor, name.schema, name.table);
    return definition && shapeOf(name, definition);
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
    const start = await this.resumePoint.find(control, server, this.bootPosition);

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
    const source: BinlogSource = new BinlogSource({
      control,
      server,
      catalog,
      watchlist,
      sink: {
        piece: (piece) => {
          backoff.reset();
          this.resumePoint.wasRead();
          queue.push(piece);
        },
        fault: (error) => errors.report(error),
        broken: (error) => this.breakStream?.(error),
        note: (message) => errors.info(message),
      },
      start: start.position,
      isByFile: 'file' in start.session,
      prepared: start.prepared,
      // Nothing but a changed row tells when a transaction without a MySQL GTID can be read.
      needsWitness: (gtid) => !config.barrier && (server.flavor === 'mariadb' || gtid === undefined),
    });
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
    return Promise.race([broken, this.watch(source, control)]);
  }

  /** Rejects when the source is gone although the connection does not say so. */
  private async watch(source: BinlogSource, control: ControlConnection): Promise<never> {
    const { config, position, cache, errors } = this.context;
    const retention = await RetentionWatch.of(control);
    for (;;) {
      await sleep(Math.min(POLL_MILLIS, config.watchdogMillis), this.ended);
      await cache.verify(this.ended);
      const read = source.readUpTo;
      this.sourcePosition = await control.currentPlace();
      if (comparePositions(this.sourcePosition, read) < 0) throw new BinlogResetError();
      if (position.value && position.value.gtidSet === undefined) await this.findGtids(source, control);
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

  /** GTIDs may have been switched on since: with them a failover is survived. */
  private async findGtids(source: BinlogSource, control: ControlConnection): Promise<void> {
    if (this.server?.flavor !== 'mysql') return;
    const server = await control.serverInfo();
    if (!server.gtid) return;
    const { gtidSet, ...place } = await control.currentPosition(server);
    if (gtidSet !== undefined) source.expectGtids(place, await createGtidTracker('mysql', gtidSet));
  }

  private async preflightOnce(control: ControlConnection, server: ServerInfo): Promise<void> {
    if (this.checked) return;
    const { name, config, errors } = this.context;
    const { faults, warnings, shapes } = await preflight(control, server, config);
    for (const shape of shapes) this.context.learn(shape);
    if (faults.length > 0) throw new CacheflowConfigurationError(name, faults);
    for (const warning of warnings) errors.warn(warning);
    this.checked = true;
  }

  /** Says what an error means, and prepares for the next attempt; undefined where that has something to say. */
  private judge(error: unknown): CacheflowError | undefined {
    if (error instanceof OtherServerError) this.resumePoint.metOtherServer();
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
        if (!this.resumePoint.isFirstStart) {
          this.resumePoint.missed(
            error instanceof BinlogResetError ? error.message : `the source says: ${messageOf(error)}`,
          );
          return undefined;
        }
        return new PositionLostError(
          `The source cannot begin at the start position (${messageOf(error)}): correct \`startAt\``,
          { cause: error },
        );
      case 'no-gtids':
        this.resumePoint.refused(`the source says: ${messageOf(error)}`);
        break;
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
