import type { SqlServer } from '../../test/support/servers';
import { waitFor } from '../../test/support/wait-for';
import type { User } from '../users/user';
import type { AppGroup, Takeover } from './app-group';
import { callApp } from './call-app';

/** In each step of the check. */
const NEW_USERS = 5;
const TIMEOUT_MILLIS = 20_000;

/** Looks whether several processes do what one alone would do, also when the leader goes. */
export class GroupCheck {
  private readonly added: number[] = [];

  constructor(
    private readonly url: string,
    private readonly group: AppGroup,
    private readonly sql: SqlServer,
  ) {}

  /** @throws Error with what is not as it should be */
  async run(): Promise<void> {
    await this.onlyOneReads();
    console.log('One process reads the binlog: there is one dump thread on the server.');

    await this.addUsers();
    const handover = await this.group.stopLeader();
    console.log(`The leader ${handover.from} was asked to end, and handed over to ${handover.to}.`);
    await this.addUsers();
    await this.calledOnce();
    console.log(`${this.added.length} users before and after it: the handler was called once for each.`);

    await this.group.complete();
    const takeover = await callApp<Takeover>('POST', `${this.url}/demo/kill-leader`);
    console.log(
      `The leader ${takeover.from} was killed, and ${takeover.to} led ${takeover.millis} ms later.`,
    );
    await this.addUsers();
    await this.group.complete();
    await this.onlyOneReads();
    console.log('Another process stands by in its place; there is still one dump thread.');
  }

  /** The server needs a moment to see that a reader is gone. */
  private async onlyOneReads(): Promise<void> {
    await waitFor(async () => (await this.readers()) === 1, { timeoutMillis: TIMEOUT_MILLIS }).catch(
      async () => {
        throw new Error(`There are ${await this.readers()} dump threads on the server instead of 1`);
      },
    );
  }

  private async readers(): Promise<number> {
    const sessions = await this.sql.query<{ Command: string }>('SHOW PROCESSLIST');
    return sessions.filter(({ Command }) => Command.startsWith('Binlog Dump')).length;
  }

  /** Resolves when the handler of each new user was called. */
  private async addUsers(): Promise<void> {
    for (let each = 0; each < NEW_USERS; each++) {
      const fields = { name: 'New user', email: `new-${this.added.length}@example.org` };
      const { id } = await callApp<User>('POST', `${this.url}/users`, fields);
      this.added.push(id);
    }
    await waitFor(async () => (await this.calls()).size === this.added.length, {
      timeoutMillis: TIMEOUT_MILLIS,
      message: 'the handler to be called for each new user',
    });
  }

  private async calledOnce(): Promise<void> {
    const repeated = [...(await this.calls())].filter(([, calls]) => calls > 1);
    if (repeated.length === 0) return;
    const list = repeated.map(([id, calls]) => `${calls} times for user ${id}`).join(', ');
    throw new Error(`The handler was called ${list} instead of once`);
  }

  private async calls(): Promise<Map<number, number>> {
    const rows = await this.sql.query<{ user_id: number; calls: number }>(
      'SELECT user_id, calls FROM user.welcome_mails WHERE user_id IN (?)',
      [this.added],
    );
    return new Map(rows.map(({ user_id, calls }) => [user_id, calls]));
  }
}
