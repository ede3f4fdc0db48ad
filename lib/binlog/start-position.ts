import type { StartAt } from '../options/cacheflow.options';
import type { Checkpoint } from '../options/checkpoint.store';
import type { ControlConnection, ServerInfo } from '../mysql/control-connection';
import type { BinlogPlace, BinlogPosition } from '../change/position';
import { MAX_DUMP_OFFSET } from '../change/position';
import type { SessionStart } from '../mysql/zongji';

/** Where a session starts, and the position that this is. */
export interface Start {
  readonly session: SessionStart;
  readonly position: BinlogPosition;
}

/**
 * Where to begin: at the position that is known, else where `startAt` says. By file and offset on the MySQL server to
 * which they belong, because they count transactions without a GTID as well and stay right when GTIDs are switched on
 * or off; else by GTID set where the position and the server have one, because that survives a failover.
 *
 * @param byFile false: by GTID set wherever that is possible
 */
export async function findStart(
  control: ControlConnection,
  server: ServerInfo,
  known: Checkpoint | undefined,
  { startAt, byFile }: { readonly startAt: StartAt; readonly byFile: boolean },
): Promise<Start> {
  const position = known ?? (await firstPosition(control, server, startAt));
  const { file, offset, gtidSet } = position;
  const isThis = byFile && known !== undefined && (await isThere(control, server, known));
  const byGtid = gtidSet !== undefined && server.gtid && !isThis;
  return { position, session: byGtid ? { gtidSet } : { file, offset } };
}

/** Whether a place is one of this MySQL server, and can be asked for. */
async function isThere(control: ControlConnection, server: ServerInfo, place: Checkpoint): Promise<boolean> {
  if (server.flavor !== 'mysql' || place.serverUuid !== server.identity) return false;
  if (place.offset > MAX_DUMP_OFFSET) return false;
  const file = (await control.binlogFiles()).find((each) => each.file === place.file);
  return file !== undefined && file.size >= place.offset;
}

async function firstPosition(
  control: ControlConnection,
  server: ServerInfo,
  startAt: StartAt,
): Promise<BinlogPosition> {
  if (startAt === 'latest') return control.currentPosition(server);
  if (startAt === 'earliest') return earliestPosition(control, server);
  // The file is not known yet; the stream begins with its name.
  if ('gtidSet' in startAt) return { file: '', offset: 0, gtidSet: startAt.gtidSet };
  const gtidSet = server.flavor === 'mariadb' ? await mariadbGtidAt(control, startAt) : undefined;
  return { file: startAt.file, offset: startAt.offset, ...(gtidSet === undefined ? {} : { gtidSet }) };
}

async function earliestPosition(control: ControlConnection, server: ServerInfo): Promise<BinlogPosition> {
  const FIRST_EVENT = 4;
  const [oldest] = await control.binlogFiles();
  const start = { file: oldest?.file ?? '', offset: FIRST_EVENT };
  if (!server.gtid) return start;
  if (server.flavor === 'mariadb') return { ...start, gtidSet: (await mariadbGtidAt(control, start)) ?? '' };
  const [row] = await control.query('SELECT @@GLOBAL.gtid_purged AS purged');
  return { ...start, gtidSet: String(row?.['purged'] ?? '').replace(/\s/g, '') };
}

/** MariaDB can tell the GTID position of a place in a file; NULL for a place that does not exist. */
async function mariadbGtidAt(control: ControlConnection, place: BinlogPlace): Promise<string | undefined> {
  const [row] = await control.query('SELECT BINLOG_GTID_POS(?, ?) AS pos', [place.file, place.offset]);
  return row?.['pos'] === null || row?.['pos'] === undefined ? undefined : String(row['pos']);
}
