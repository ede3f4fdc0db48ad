import type { Checkpoint } from '../options/checkpoint.store';
import type { ControlConnection, ServerInfo } from '../mysql/control-connection';
import { flavorOfSet } from '../change/gtid';
import { comparePositions } from '../change/position';
import { probeDump } from '../mysql/probe-dump';
import { classifySourceError } from '../mysql/source-faults';

/**
 * Transactions that we have read may be a moment away from being executed, e.g. while semi-synchronous replication
 * waits; what is not executed after this time is not there.
 */
const EXECUTED_SECONDS = 5;

/** Why the source cannot go on from a position without leaving something out; undefined when it can. */
export async function findGap(
  control: ControlConnection,
  server: ServerInfo,
  known: Checkpoint,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { gtidSet } = known;
  const sameServer = known.serverUuid === undefined || known.serverUuid === server.identity;
  const flavor = flavorOfSet(gtidSet ?? '');
  if (flavor !== undefined && flavor !== server.flavor) {
    const [now, then] = server.flavor === 'mariadb' ? ['MariaDB', 'MySQL'] : ['MySQL', 'MariaDB'];
    return `the source is ${now} now, where a position of ${then} means nothing`;
  }
  if (server.gtid && gtidSet !== undefined) {
    return (
      (server.flavor === 'mysql' ? await gtidGap(control, gtidSet) : undefined) ??
      (sameServer ? await resetGap(control, known, signal) : undefined)
    );
  }
  if (!sameServer) return 'the address leads to another server now, where a file and an offset mean nothing';
  const files = await control.binlogFiles();
  if (!files.some((each) => each.file === known.file)) return `the source no longer has ${known.file}`;
  return resetGap(control, known, signal);
}

async function gtidGap(control: ControlConnection, gtidSet: string): Promise<string | undefined> {
  const [row] = await control.query(
    `SELECT WAIT_FOR_EXECUTED_GTID_SET(?, ${EXECUTED_SECONDS}) AS missing, GTID_SUBSET(@@GLOBAL.gtid_purged, ?) AS complete`,
    [gtidSet, gtidSet],
  );
  if (Number(row?.['missing']) !== 0) {
    return 'the source lacks transactions that were applied already: its binlog was reset, or it took over without them';
  }
  return Number(row?.['complete']) === 1
    ? undefined
    : 'the source has purged transactions that were not applied';
}

/** After a RESET the files are numbered anew: the one of our name is another one, or there is none that far. */
async function resetGap(
  control: ControlConnection,
  known: Checkpoint,
  signal: AbortSignal,
): Promise<string | undefined> {
  const RESET = 'its binlog began anew (RESET)';
  if (known.file === '') return undefined;
  const files = await control.binlogFiles();
  const newest = files.at(-1)?.file;
  if (
    newest !== undefined &&
    comparePositions({ file: newest, offset: 0 }, { file: known.file, offset: 0 }) < 0
  ) {
    return RESET;
  }
  const file = files.find((each) => each.file === known.file);
  // Purged, which by GTID may be all right.
  if (!file) return undefined;
  if (file.size < known.offset) return `${known.file} is shorter than ${known.offset} bytes`;
  if (known.fileCreatedAt === undefined) return undefined;
  try {
    const { fileCreatedAt } = await probeDump(control, { file: known.file, offset: 4 }, signal);
    return fileCreatedAt === known.fileCreatedAt ? undefined : RESET;
  } catch (error) {
    if (classifySourceError(error) === 'position-lost') return undefined;
    throw error;
  }
}
