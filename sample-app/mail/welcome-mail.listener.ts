import { Injectable, Logger } from '@nestjs/common';
import { type ChangeEvent, OnBinlog } from '../../lib';
import type { User } from '../users/user';

const KEPT = 100;

/** Greets each new user, whoever inserted the row: this service, a script, or a person at the SQL prompt. */
@Injectable()
export class WelcomeMailListener {
  private readonly logger = new Logger(WelcomeMailListener.name);
  private readonly greeted = new Set<number>();

  /** The ids of the users that were greeted last, oldest first. */
  get latest(): number[] {
    return [...this.greeted];
  }

  @OnBinlog<User>('user.users', { actions: ['insert'] })
  async onUserInserted({ after: user }: ChangeEvent<User>): Promise<void> {
    // A change may arrive twice, after a restart. A real service would remember this in its database.
    if (!user || this.greeted.has(user.id)) return;
    this.greeted.add(user.id);
    for (const oldest of this.greeted) {
      if (this.greeted.size <= KEPT) break;
      this.greeted.delete(oldest);
    }
    this.logger.log(`A welcome mail would go to user ${user.id} now`);
  }
}
