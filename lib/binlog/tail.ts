import { setMaxListeners } from 'node:events';
import type { BinlogPlace, BinlogPosition } from '../change/position';
import { comparePositions, formatPosition } from '../change/position';
import type { TableShape } from '../change/stream';
import type { TableName } from '../change/table-name';
import { generateServerId } from '../config/server-id';
import type { CacheflowError } from '../errors/cacheflow.error';
import { CacheflowConfigurationError } from '../errors/configuration.error';
import type { RedisRewoundError } from '../errors/redis.errors';
import { CacheflowStoppedError, ServerIdClashError } from '../errors/source.errors';
import type { ServerInfo } from '../mysql/control-connection';
import { ControlConnection } from '../mysql/control-connection';
import { BinlogResetError } from '../mysql/source-faults';
import { SharedConnection } from '../mysql/shared-connection';
import { loadTableDefinition, shapeOf } from '../mysql/table-definition';
import { prepareReplication } from '../mysql/zongji';
import { preflight } from '../preflight/preflight';
import { sleep, untilAborted, withDeadline, withSignals } from '../support/abort';
import { Backoff } from '../support/backoff';
import { Gate } from '../support/gate';
import { BinlogSource } from './binlog.source';
import type { Lead, Leadership } from './leadership';
import type { ForeignKey } from './tables/cascade-graph';
import { Cascades, logsCascades } from './tables/cascades';
import type { SourceCheck } from './check-source';
import { checkSource } from './check-source';
import type { Lag } from './lag';
import type { ResumeContext, ResumeStart } from './resume-point';
import { ResumePoint } from './resume-point';
import { SourceWatch } from './source-watch';
import { TableCatalog } from './tables/table-catalog';
import { TailFaults, isFinal } from './tail-faults';
import type { TailState } from './tail-state';
import { Watchlist } from './tables/watchlist';

/** What a tail works with. */
export interface TailContext extends ResumeContext {
  /** What a watched table looks like. */
  learn(shape: TableShape): void;
  /** The columns that somebody needs of the rows read at this place; undefined stands for all. */
  projection(table: TableShape, place: BinlogPlace): ReadonlySet<string> | undefined;
  readonly leadership: Leadership;
  /** The lead was lost: what was handed on and has not begun yet is another process' work now. */
  onDeposed(): void;
}

/** Keeps a replication connection going: connects, resumes, streams, reconnects, until it is stopped. */
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
  private isChecked = false;
  private readonly resumePoint: ResumePoint;
  private readonly watch: SourceWatch;
  /** Asks on behalf of a standby, which has no connection of its own. */
  private readonly shared: SharedConnection;
  private readonly faults: TailFaults;
  private lead: Lead | undefined;
  private breakStream: ((error: Error) => void) | undefined;
  /** Where the source was when the app started: what it commits from then on must not be missed. */
  private bootPosition: BinlogPosition | undefined;
  private connections = 0;
  /** Those that were seen since the start, see Cascades. */
  private readonly foreignKeys = new Map<string, ForeignKey>();
  /** Row changes that were read from connections before this one. */
  private rowsBefore = 0;
  private currentReason: string | undefined;
  private currentServerId: number;

  constructor(private readonly context: TailContext) {
    // Whoever waits for something listens to it.
    setMaxListeners(0, this.ending.signal);
    this.currentServerId = context.config.serverId;
    this.connected.close();
    this.resumePoint = new ResumePoint(context, this.ended, (reason) => {
      this.currentReason = reason;
    });
    this.watch = new SourceWatch(context, this.ended);
    this.faults = new TailFaults(context, this.resumePoint);
    this.shared = new SharedConnection(context.config.mysql, this.ended);
  }

  get state(): TailState {
    const runs = this.currentState === 'streaming' || this.currentState === 'connecting';
    return runs && this.userGate.isClosed ? 'paused' : this.currentState;
  }

  /** The latest error's message while the tail is not streaming. */
  get reason(): string | undefined {
    return this.currentReason;
  }

  /** The replication server id that the source knows us by. */
  get serverId(): number {
    return this.currentServerId;
  }

  get rowsRead(): number {
    return this.rowsBefore + (this.source?.rowsRead ?? 0);
  }

  /** Connections after the first one. */
  get reconnects(): number {
    return Math.max(0, this.connections - 1);
  }

  get lag(): Lag {
    return this.watch.lag;
  }

  /** Aborted when the tail has ended, by failing or by being stopped. */
  get ended(): AbortSignal {
    return this.ending.signal;
  }

  /** Looks at the source once, before anything starts. A source that cannot be reached is waited for later. */
  async check(): Promise<SourceCheck> {
    const { config, errors } = this.context;
    const result = await checkSource(config, errors, this.ended);
    this.currentReason = result.unreachable;
    this.isChecked = result.faults.length === 0 && result.unreachable === undefined;
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
    this.currentReason = error.message;
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

  /** A later leader has begun: what we saved came too late. */
  deposed(error: Error, term: number | undefined): void {
    if (this.context.position.stream?.term === term) this.lead?.depose(error);
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

  /** Resolves when everything is applied that was committed before the call. Rejects with the signal's reason. */
  async caughtUp(signal: AbortSignal): Promise<void> {
    const { position } = this.context;
    // A place of one server says nothing of another one: a target from before a failover is asked for again.
    let stream;
    do {
      stream = position.stream;
      await position.reach(await this.askPosition(signal), signal);
    } while (stream !== position.stream);
  }

  /** What the source says of a table now; undefined where there is none. Rejects while the source is away. */
  async describe(name: TableName): Promise<TableShape | undefined> {
    const { control, server } = this;
    if (control && server) return describeTable(control, server, name);
    // A process that has just started asks before it stands by.
    if (this.ended.aborted) throw new Error('There is no connection to the source');
    return this.shared.use((own, its) => describeTable(own, its, name));
  }

  /** The position up to which the source has written, asked now; waits for a connection. */
  private async askPosition(signal: AbortSignal): Promise<BinlogPosition> {
    for (;;) {
      await untilAborted(this.connected.pass(), signal);
      const { control } = this;
      try {
        if (control) {
          await untilAborted(this.context.cache.checkRewind(signal), signal);
          const read = this.source?.readUpTo;
          const asked = await untilAborted(control.currentPlace(), signal);
          if (!read || comparePositions(asked, read) >= 0) return asked;
          if (control === this.control) this.reconnect(new BinlogResetError());
        }
      } catch {
        // The watch on the source sees the same and replaces the connection.
      }
      await sleep(50, signal);
    }
  }

  private async run(): Promise<void> {
    const backoff = new Backoff(this.context.config.reconnect);
    while (!this.ended.aborted) {
      try {
        await prepareReplication();
        const lead = await this.takeLead();
        await this.stream(backoff, lead);
      } catch (error) {
        if (this.ended.aborted) return;
        const { serverId, isChecked } = this;
        const report = this.faults.read(error, { serverId, isChecked });
        if (report instanceof ServerIdClashError) this.currentServerId = generateServerId();
        if (report) {
          this.currentReason = report.message;
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

  /** Waits for its turn to read. */
  private async takeLead(): Promise<Lead> {
    const lead = await this.context.leadership.acquire(this.ended, {
      onStandby: () => {
        if (this.currentState !== 'standby')
          this.context.errors.info('Another process of the group leads; this one stands by');
        this.currentState = 'standby';
        this.currentReason = undefined;
      },
      onWaiting: (reason) => {
        this.currentReason ??= reason;
      },
    });
    this.currentState = 'connecting';
    if (lead === this.lead) return lead;
    this.lead = lead;
    const onLost = (): void => {
      this.context.onDeposed();
      this.reconnect(lead.ended.reason as Error);
    };
    lead.ended.addEventListener('abort', onLost, { once: true });
    if (lead.isOver) onLost();
    return lead;
  }

  /** One connection, from its start to its break; rejects with what broke it. */
  private async stream(backoff: Backoff, lead: Lead): Promise<never> {
    const { config, errors } = this.context;
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
    const term = await lead.begin(server.instance, this.context.keeper.saved?.term ?? 0, this.ended);
    if (term.isNew) this.resumePoint.beginTerm();
    await withSignals([this.ended, lead.ended], (either) => untilAborted(this.userGate.pass(), either));
    const { bootPosition } = this;
    const occasion = { bootPosition, term: term.number, uncovered: term.uncovered };
    const start = await this.resumePoint.find(control, server, occasion);
    const source = await this.createSource(control, server, start, () => backoff.reset());
    this.ended.throwIfAborted();
    lead.ended.throwIfAborted();
    void this.cover(lead, start.position);
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
    this.connections++;
    this.currentReason = undefined;
    this.currentState = 'streaming';
    this.connected.open();
    errors.info(
      `Tailing ${server.flavor} ${server.version} from ${formatPosition(start.position)} as server id ${this.serverId}`,
    );
    return Promise.race([broken, this.watch.run({ source, control, server })]);
  }

  /** What begins with a flush has covered its tables once it has gone through. */
  private async cover(lead: Lead, start: BinlogPosition): Promise<void> {
    try {
      await withSignals([this.ended, lead.ended], (either) => this.context.position.reach(start, either));
      await lead.covered();
    } catch {
      // Who leads next removes the keys again.
    }
  }

  /** What turns the bytes of this connection into changes in the queue. */
  private async createSource(
    control: ControlConnection,
    server: ServerInfo,
    start: ResumeStart,
    onRead: () => void,
  ): Promise<BinlogSource> {
    const { config, errors, queue } = this.context;
    const watchlist = new Watchlist(config.rules);
    const cascades = (await logsCascades(control, server))
      ? undefined
      : new Cascades({
          control,
          rules: config.rules,
          mode: config.cascades,
          watchlist,
          errors,
          seen: this.foreignKeys,
        });
    const catalog = new TableCatalog({
      control,
      server,
      watchlist,
      values: config.mysql,
      projection: (table) => this.context.projection(table, source.readUpTo),
      cascades,
    });
    await catalog.warmUp();
    const source: BinlogSource = new BinlogSource({
      control,
      server,
      catalog,
      watchlist,
      sink: {
        piece: (piece) => {
          onRead();
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
    return source;
  }

  private async preflightOnce(control: ControlConnection, server: ServerInfo): Promise<void> {
    if (this.isChecked) return;
    const { name, config, errors } = this.context;
    const { faults, warnings, shapes } = await preflight(control, server, config);
    for (const shape of shapes) this.context.learn(shape);
    if (faults.length > 0) throw new CacheflowConfigurationError(name, faults);
    for (const warning of warnings) errors.warn(warning);
    this.isChecked = true;
  }

  private giveUp(error: CacheflowError): void {
    this.currentState = 'failed';
    this.ending.abort(new CacheflowStoppedError(`The tail has failed: ${error.message}`));
    // Another process of the group may be able to go on.
    this.lead?.depose(error);
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

async function describeTable(
  control: ControlConnection,
  { flavor }: ServerInfo,
  name: TableName,
): Promise<TableShape | undefined> {
  const definition = await loadTableDefinition(control, flavor, name.schema, name.table);
  return definition && shapeOf(name, definition);
}
