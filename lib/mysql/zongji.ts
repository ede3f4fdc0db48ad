import type { Flavor } from '../change/flavor';
import type { BinlogPlace } from '../change/position';
import type { Socket } from 'node:net';
import { constants, Script } from 'node:vm';
import type { Connection } from 'mysql2';
import type ZongJi from '@vlasky/zongji';
import type { BinlogEvent } from '@vlasky/zongji';
import { splitMariadbGtid } from '../change/gtid';
import { sqlErrorCode } from './control-connection';
import type { GtidTracker } from '../change/gtid-tracker';

/** Where a replication session starts. */
export type SessionStart = BinlogPlace | { gtidSet: string };

/** What a session tells its owner. All calls are synchronous, on the socket's turn. */
export interface SessionListener {
  /**
   * A raw binlog event, checksum included, from its common header on. The buffer is the network's: copy what
   * outlives the call. Returns false to have zongji parse the event and hand its GTID to `onGtid`.
   */
  onEvent(buffer: Buffer, start: number, end: number): boolean;
  /** The GTID of a MySQL event that `onEvent` left to zongji; in the same turn. */
  onGtid(gtid: string | undefined): void;
  /** The session is over; it was closed before the call. */
  onError(error: Error): void;
}

/** A replication connection that streams. */
export interface ReplicationSession {
  /** Tells zongji whether each event ends with a checksum of 4 bytes, for the events that it parses. */
  useChecksum(checksum: boolean): void;
  pause(): void;
  resume(): void;
  close(): void;
}

/** What mysql2 calls a command, as far as it is used here. */
interface BinlogCommand {
  next: unknown;
  execute(packet: Packet | undefined, connection: unknown): boolean;
}
interface Packet {
  readonly buffer: Buffer;
  readonly offset: number;
  readonly end: number;
  isEOF(): boolean;
  isError(): boolean;
  asError(encoding: string): Error;
  /** mysql2 uses one packet for all that come. */
  clone(): Packet;
}
/** zongji's replication connection: mysql2's, with the parts that its types leave out. */
interface RawConnection {
  readonly threadId?: number | null;
  readonly stream: Socket;
  query(sql: string, callback?: (error: Error | null) => void): void;
  addCommand(command: BinlogCommand): unknown;
}

/** What zongji's types leave out. */
interface ZongJiInternals {
  connection: RawConnection | null;
  ctrlConnection: unknown;
  useChecksum: boolean;
}

export interface ReplicationOptions {
  /** The control connection; zongji queries it, it stays ours. */
  control: Connection;
  serverId: number;
  start: SessionStart;
  /** How often an idle source sends a heartbeat. */
  heartbeatMillis: number;
  /** Closes the session, also while it is being opened. */
  signal?: AbortSignal;
}

type ZongJiModule = typeof import('@vlasky/zongji');

/** zongji is ESM only; this file is the one that knows it. */
async function loadZongji(): Promise<ZongJiModule> {
  try {
    return await import('@vlasky/zongji');
  } catch (error) {
    if (sqlErrorCode(error) !== 'ERR_VM_DYNAMIC_IMPORT_CALLBACK_MISSING_FLAG') throw error;
    // Jest runs code in a context of its own, from which Node imports only with a flag; the main context has no
    // such limit (Node's vm documentation, USE_MAIN_CONTEXT_DEFAULT_LOADER).
    const script = new Script('(specifier) => import(specifier)', {
      filename: __filename,
      importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    });
    const importInMainContext = script.runInThisContext() as (specifier: string) => Promise<ZongJiModule>;
    return importInMainContext('@vlasky/zongji');
  }
}

/** Loads what a session needs, so that a process that takes over need not. */
export async function prepareReplication(): Promise<void> {
  await loadZongji();
}

/**
 * Starts to stream. zongji connects, negotiates checksums and sends the dump command; the raw packets are
 * taken before it parses them, because its own decoding of rows is the slowest part of the whole way.
 */
export async function openReplicationSession(
  options: ReplicationOptions,
  listener: SessionListener,
): Promise<ReplicationSession> {
  const { default: ZongJiClass } = await loadZongji();
  options.signal?.throwIfAborted();
  const zongji: ZongJi = new ZongJiClass(options.control);
  const internals = zongji as unknown as ZongJiInternals;
  let closed = false;
  const close = (): void => {
    if (closed) return;
    closed = true;
    const { connection } = internals;
    // zongji would wait a second for its own KILL, whose answer does not come once the control connection is closed.
    internals.ctrlConnection = null;
    zongji.stop();
    if (connection?.threadId) options.control.query(`KILL ${connection.threadId}`, () => undefined);
    // It only says goodbye; mysql2 would read on, and print a warning about the server's last words.
    connection?.stream.destroy();
  };
  const fail = (error: Error): void => {
    if (closed) return;
    close();
    listener.onError(error);
  };

  return new Promise((resolve, reject) => {
    let ready = false;
    options.signal?.addEventListener('abort', () => {
      close();
      reject(options.signal?.reason as Error);
    });
    zongji.on('error', (error: Error) => {
      if (ready) return tap.onBroken(error);
      close();
      reject(error);
    });
    zongji.on('binlog', (event: BinlogEvent) => {
      if (!closed && event.getEventName() === 'gtid') listener.onGtid(event.gtid);
    });
    zongji.on('ready', () => {
      ready = true;
      resolve({
        useChecksum: (checksum) => {
          internals.useChecksum = checksum;
        },
        pause: () => closed || tap.pause(),
        resume: () => closed || tap.resume(),
        close,
      });
    });
    // zongji makes the replication connection out of the control connection's settings.
    zongji.start({ serverId: options.serverId, ...toZongjiStart(options.start) });
    const connection = internals.connection as RawConnection;
    // Sent before the dump command, because mysql2 keeps the order. Nanoseconds; without it an idle source
    // is silent, and nobody could tell it from a dead one. MySQL reads the new name, MariaDB the old one.
    const nanos = options.heartbeatMillis * 1_000_000;
    connection.query(`SET @master_heartbeat_period = ${nanos}, @source_heartbeat_period = ${nanos}`);
    // We can deal with checksums, whatever is set now: older files may have them, and newer ones later.
    connection.query("SET @master_binlog_checksum = 'CRC32', @source_binlog_checksum = 'CRC32'");
    // A paused socket must not make the source hang up: by default it waits a minute for us to read.
    connection.query('SET SESSION net_write_timeout = 3600');
    const tap = new PacketTap(connection, listener, () => closed, fail);
    tap.attach();
  });
}

function toZongjiStart(start: SessionStart): { filename?: string; position?: number; gtidSet?: string } {
  return 'gtidSet' in start ? { gtidSet: start.gtidSet } : { filename: start.file, position: start.offset };
}

/**
 * Stands between mysql2's packets and zongji's parser. It holds packets back by itself: mysql2 throws away those that
 * wait when the connection breaks meanwhile, and with them what the server said last.
 */
class PacketTap {
  private paused = false;
  /** What had arrived when the socket was paused. */
  private readonly waiting: Packet[] = [];
  /** What broke the connection while packets waited. */
  private broken: Error | undefined;
  private parse: ((packet: Packet) => boolean) | undefined;

  constructor(
    private readonly connection: RawConnection,
    private readonly listener: SessionListener,
    private readonly isClosed: () => boolean,
    private readonly fail: (error: Error) => void,
  ) {}

  /** To be called before zongji adds its command. */
  attach(): void {
    const { connection } = this;
    const addCommand = connection.addCommand.bind(connection);
    connection.addCommand = (command: BinlogCommand): unknown => {
      if (command.constructor.name !== 'Binlog') return addCommand(command);
      const execute = command.execute.bind(command);
      command.execute = (packet, target) => {
        if (this.isClosed()) return false;
        if (command.next === null || packet === undefined) return execute(packet, target);
        this.parse ??= (each) => execute(each, target);
        if (this.paused) this.waiting.push(packet.clone());
        else this.take(packet);
        return false;
      };
      return addCommand(command);
    };
  }

  pause(): void {
    this.paused = true;
    this.connection.stream.pause();
  }

  resume(): void {
    this.paused = false;
    for (;;) {
      if (this.paused || this.isClosed()) return;
      const packet = this.waiting.shift();
      if (!packet) break;
      this.take(packet);
    }
    if (this.broken) this.fail(this.broken);
    else this.connection.stream.resume();
  }

  /** The connection is gone. */
  onBroken(error: Error): void {
    if (this.waiting.length === 0) this.fail(error);
    else this.broken ??= error;
  }

  private take(packet: Packet): void {
    if (packet.isError()) return this.fail(packet.asError('utf8'));
    if (packet.isEOF()) return this.fail(new Error('The source ended the binlog stream'));
    try {
      // One byte (always 0) stands before the event.
      if (!this.listener.onEvent(packet.buffer, packet.offset + 1, packet.end)) this.parse?.(packet);
    } catch (error) {
      this.fail(error instanceof Error ? error : new Error(String(error)));
    }
  }
}

/** A tracker that starts with `gtidSet`, in MySQL's or MariaDB's form. */
export async function createGtidTracker(flavor: Flavor, gtidSet: string): Promise<GtidTracker> {
  const { GtidSet, MariadbGtidPosition } = await loadZongji();
  if (flavor === 'mysql') return GtidSet.parse(gtidSet);
  const position = MariadbGtidPosition.parse(gtidSet);
  return {
    add: (gtid) => {
      const parts = splitMariadbGtid(gtid);
      if (!parts) return;
      position.add({ domainId: parts.domain, serverId: parts.server, seqNo: parts.sequence });
    },
    toString: () => position.toString(),
  };
}

/** Whether a transaction is among those of a set, in MySQL's or MariaDB's form. Throws when either cannot be read. */
export async function coversGtid(gtidSet: string, gtid: string): Promise<boolean> {
  const { GtidSet, MariadbGtidPosition } = await loadZongji();
  return splitMariadbGtid(gtid)
    ? MariadbGtidPosition.parse(gtidSet).covers(gtid)
    : GtidSet.parse(gtidSet).contains(gtid);
}
