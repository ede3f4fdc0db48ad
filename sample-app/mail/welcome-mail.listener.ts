import { Injectable, Logger } from '@nestjs/common';
import { type ChangeEvent, OnBinlog } from '../../lib';
import { changeId } from '../change-id';
import type { User } from '../users/user';
import { WelcomeMailsService } from './welcome-mails.service';

/** Greets each new user, whoever inserted the row: this service, a script, or a person at the SQL prompt. */
@Injectable()
export class WelcomeMailListener {
  private readonly logger = new Logger(WelcomeMailListener.name);

  constructor(private readonly mails: WelcomeMailsService) {}

  /** Called once for all processes of the service; a second time only where a process ended in the midst of it. */
  @OnBinlog<User>('user.users', { actions: ['insert'] })
  async onUserInserted(event: ChangeEvent<User>): Promise<void> {
    const { after: user } = event;
    if (!user || !(await this.mails.claim(user.id, changeId(event)))) return;
    this.logger.log(`A welcome mail would go to user ${user.id} now`);
  }
}
