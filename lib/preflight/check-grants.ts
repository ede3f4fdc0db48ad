import { probeDump } from '../mysql/probe-dump';
import { currentUser, isDenied } from '../mysql/grants';
import type { Inspection } from './inspection';

/** Tries both grants out: grants may come by roles, which cannot be read reliably. */
export async function checkGrants({ control, server, result }: Inspection): Promise<void> {
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
    await probeDump(control, position ?? { file: '', offset: 4 }, new AbortController().signal);
  } catch (error) {
    if (!isDenied(error)) {
      if (position === undefined) return;
      throw error;
    }
    faults.push({ subject: 'mysql.user', problem: 'it may not read the binlog (REPLICATION SLAVE)', fix });
  }
}
