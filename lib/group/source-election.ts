import { LeadershipLostError } from '../errors/group.errors';
import { SourceUnavailableError } from '../errors/source.errors';
import { ControlConnection } from '../mysql/control-connection';
import type { MysqlSourceOptions } from '../options/cacheflow.options';
import { untilAborted, withDeadline } from '../support/abort';
import type { Election, Lock } from './lock';
import { LockLife } from './lock-life';
import { lockName } from './lock-name';

/**
 * How long one GET_LOCK waits: less than any question may take, so that a standby whose connection was cut without a
 * word notices, and often enough that nothing on the way takes the connection for idle.
 */
const WAIT_SECONDS = 5;

/**
 * Elects by GET_LOCK on the source, over a connection of its own: who waits for the lock gets it within milliseconds
 * after its holder's connection has ended. The server ends that of a holder that is frozen or cut off after
 * `wait_timeout` without a question.
 */
export class SourceElection implements Election {
  constructor(
    private readonly context: {
      readonly name: string;
      readonly mysql: MysqlSourceOptions;
      /** How long the lock outlives a holder of whom nothing is heard. */
      readonly takeoverSeconds: number;
    },
  ) {}

  async campaign(groupId: string, signal: AbortSignal, onStandby: () => void): Promise<Lock> {
    const { name, mysql, takeoverSeconds } = this.context;
    const connection = await ControlConnection.open(mysql, signal);
    const onAbort = (): void => connection.close();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      const { instance } = await connection.serverInfo();
      await connection.query('SET SESSION wait_timeout = ?', [takeoverSeconds]);
      const lock = lockName(name, groupId);
      let askedAt = performance.now();
      for (let seconds = 0; !(await isGranted(connection, lock, seconds)); seconds = WAIT_SECONDS) {
        onStandby();
        askedAt = performance.now();
      }
      signal.throwIfAborted();
      const silent = (): Error =>
        new SourceUnavailableError(
          `The source has not confirmed the lock of the group for ${takeoverSeconds} s`,
        );
      // The server's time runs from its answer on, which may have come a long time after the question.
      askedAt = Math.max(askedAt, await confirmedNow(connection, lock));
      return new SourceLock(
        connection,
        lock,
        instance,
        new LockLife(takeoverSeconds * 1_000, askedAt, silent),
      );
    } catch (error) {
      connection.close();
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }
}

/** How long a server may take to free a lock; one that is frozen takes longer. */
const RELEASE_MILLIS = 500;

class SourceLock implements Lock {
  constructor(
    private readonly connection: ControlConnection,
    private readonly name: string,
    readonly server: string,
    private readonly life: LockLife,
  ) {
    const { breaks } = connection;
    const onBroken = (): void => {
      // After a freeze the server's farewell is there before any timer.
      if (!life.isOver) life.end(breaks.reason as Error);
    };
    breaks.addEventListener('abort', onBroken, { once: true });
    if (breaks.aborted) onBroken();
    // Whatever ended it: the server must not keep it for us.
    life.ended.addEventListener('abort', () => connection.close(), { once: true });
    if (life.ended.aborted) connection.close();
    else life.renew(async () => void (await confirmedNow(connection, name)));
  }

  get ended(): AbortSignal {
    return this.life.ended;
  }

  get isOver(): boolean {
    return this.life.isOver;
  }

  async release(reason: Error): Promise<void> {
    // The end of the connection frees it as well, a moment later.
    if (!this.isOver) {
      const released = this.connection.query('DO RELEASE_LOCK(?)', [this.name]);
      await withDeadline(RELEASE_MILLIS, this.ended, (late) => untilAborted(released, late)).catch(
        () => undefined,
      );
    }
    this.life.end(reason);
    await this.life.settled();
  }
}

/** A lock that is held already would be held twice: nobody asks here but by a connection that has none. */
async function isGranted(connection: ControlConnection, lock: string, seconds: number): Promise<boolean> {
  const [row] = await connection.query('SELECT GET_LOCK(?, ?) AS granted', [lock, seconds]);
  const granted = row?.['granted'];
  if (granted === null) throw new Error('The server gave no answer to GET_LOCK');
  return Number(granted) === 1;
}

/** When the question was sent whose answer is that the lock is ours. */
async function confirmedNow(connection: ControlConnection, lock: string): Promise<number> {
  const askedAt = performance.now();
  const [row] = await connection.query('SELECT IS_USED_LOCK(?) = CONNECTION_ID() AS own', [lock]);
  if (Number(row?.['own']) !== 1) throw new LeadershipLostError('The lock is no longer held by this process');
  return askedAt;
}
