import { randomInt } from 'node:crypto';
import type { ControlConnection, ServerInfo } from '../binlog/control-connection';
import { openReplicationSession } from '../binlog/zongji';
import { untilAborted, withDeadline } from '../support/abort';
import { currentUser, isDenied } from './grants';
import type { PreflightResult } from './preflight-result';

/** Tries both grants out: grants may come by roles, which cannot be read reliably. */
export async function checkGrants(
  control: ControlConnection,
  server: ServerInfo,
  result: PreflightResult,
): Promise<void> {
  const { faults } = result;
  const fix = `GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO ${await currentUser(control)}`;
  let position;
  try {
    position = await control.currentPosition(server);
    result.position = position;
  } catch (error) {
    if (!isDenied(error)) throw error;
    faults.push({
      subject: 'mysql.user',
      problem: 'it may not see the binlog status (REPLICATION CLIENT)',
      fix,
    });
  }
  try {
    await tryDump(control, position ?? { file: '', offset: 4 });
  } catch (error) {
    if (!isDenied(error)) {
      if (position === undefined) return;
      throw error;
    }
    faults.push({ subject: 'mysql.user', problem: 'it may not read the binlog (REPLICATION SLAVE)', fix });
  }
}

/** A source that answers queries but sends no event in this time counts as out of reach. */
const FIRST_EVENT_MILLIS = 10_000;

/** Streams until the first event. Rejects with the server's error when it refuses. */
async function tryDump(control: ControlConnection, start: { file: string; offset: number }): Promise<void> {
  // An id that no tail will have; the session ends at once.
  const serverId = 1 + randomInt(2 ** 30 - 1);
  await withDeadline(FIRST_EVENT_MILLIS, new AbortController().signal, async (signal) => {
    let onFirst!: () => void;
    let onError!: (error: Error) => void;
    const first = new Promise<void>((resolve, reject) => {
      onFirst = resolve;
      onError = reject;
    });
    const session = await openReplicationSession(
      { control: control.raw, serverId, start, heartbeatMillis: 1_000, signal },
      {
        onEvent: () => {
          onFirst();
          return true;
        },
        onParsed: () => undefined,
        onError: (error) => onError(error),
      },
    );
    try {
      await untilAborted(first, signal);
    } finally {
      session.close();
    }
  });
}
