import { EventEmitter } from 'node:events';
import {
  createConnection,
  type Connection,
  type ConnectionOptions,
  type RowDataPacket,
} from 'mysql2/promise';

/** One event as it stands in the binlog. */
export interface RawEvent {
  type: number;
  buffer: Buffer;
  /** First byte after the 19-byte common header. */
  start: number;
  /** First byte after the event, its checksum left out. */
  end: number;
}

interface Packet {
  buffer: Buffer;
  offset: number;
  end: number;
  isEOF(): boolean;
  isError(): boolean;
  asError(encoding: string): Error;
}

interface ReplicationConnection {
  addCommand(command: EventEmitter): void;
  writePacket(packet: DumpRequest): void;
  _resetSequenceId(): void;
}

const COM_BINLOG_DUMP = 0x12;
const NON_BLOCK = 1;
const HEADER_LENGTH = 19;

/** COM_BINLOG_DUMP as mysql2 wants to send it: four bytes left free for the packet header. */
class DumpRequest {
  readonly buffer: Buffer;

  constructor(file: string, position: number, serverId: number) {
    this.buffer = Buffer.alloc(4 + 11 + Buffer.byteLength(file));
    this.buffer.writeUInt8(COM_BINLOG_DUMP, 4);
    this.buffer.writeUInt32LE(position, 5);
    this.buffer.writeUInt16LE(NON_BLOCK, 9);
    this.buffer.writeUInt32LE(serverId, 11);
    this.buffer.write(file, 15);
  }

  length(): number {
    return this.buffer.length;
  }

  writeHeader(sequenceId: number): void {
    this.buffer.writeUIntLE(this.buffer.length - 4, 0, 3);
    this.buffer.writeUInt8(sequenceId, 3);
  }
}

/** A mysql2 command that asks for the binlog up to its present end and collects the events. */
class DumpCommand extends EventEmitter {
  readonly events: RawEvent[] = [];
  private started = false;

  constructor(
    private readonly request: DumpRequest,
    private readonly checksumBytes: number,
  ) {
    super();
  }

  execute(packet: Packet | undefined, connection: ReplicationConnection): boolean {
    if (!this.started) {
      this.started = true;
      connection._resetSequenceId();
      connection.writePacket(this.request);
      return false;
    }
    if (packet === undefined) return false;
    if (packet.isError()) {
      this.emit('error', packet.asError('utf8'));
      return true;
    }
    if (packet.isEOF()) {
      this.emit('end');
      return true;
    }
    // A copy: the network buffer is used again. Byte 0 is the OK marker.
    const buffer = Buffer.from(packet.buffer.subarray(packet.offset + 1, packet.end));
    this.events.push({
      type: buffer[4]!,
      buffer,
      start: HEADER_LENGTH,
      end: buffer.length - this.checksumBytes,
    });
    return false;
  }
}

/** The binlog's present end, to be given to {@link readBinlog} later. */
export async function binlogPosition(connection: Connection): Promise<{ file: string; position: number }> {
  const [versions] = await connection.query<RowDataPacket[]>('SELECT VERSION() AS version');
  const mariadb = String(versions[0]!['version']).includes('MariaDB');
  const [rows] = await connection.query<RowDataPacket[]>(
    mariadb ? 'SHOW MASTER STATUS' : 'SHOW BINARY LOG STATUS',
  );
  return { file: String(rows[0]!['File']), position: Number(rows[0]!['Position']) };
}

/** Every event from the given position to the binlog's end, over a replication session of its own. */
export async function readBinlog(
  options: ConnectionOptions,
  from: { file: string; position: number },
): Promise<RawEvent[]> {
  const connection = await createConnection(options);
  try {
    await connection.query('SET @master_binlog_checksum = @@global.binlog_checksum');
    await connection.query('SET @mariadb_slave_capability = 4');
    const [rows] = await connection.query<RowDataPacket[]>('SELECT @@global.binlog_checksum AS checksum');
    const checksumBytes = rows[0]!['checksum'] === 'NONE' ? 0 : 4;
    const serverId = 100_000 + Math.floor(Math.random() * 1e9);
    const command = new DumpCommand(new DumpRequest(from.file, from.position, serverId), checksumBytes);
    const done = new Promise<void>((resolve, reject) => {
      command.once('end', () => resolve());
      command.once('error', reject);
    });
    (connection as unknown as { connection: ReplicationConnection }).connection.addCommand(command);
    await done;
    return command.events;
  } finally {
    connection.destroy();
  }
}
