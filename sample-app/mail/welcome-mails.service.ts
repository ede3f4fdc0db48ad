import { Injectable } from '@nestjs/common';
import { DatabaseService, isDuplicate } from '../database/database.service';

const LATEST = 100;

/** What the database knows of one user's welcome mail. */
export interface WelcomeMail {
  userId: number;
  /** Of the insert that it answers: see changeId. */
  changeId: string;
  /** The process that sent it. */
  pid: number;
  /** How often the handler was called for that insert, in all processes together. */
  calls: number;
}

/** Remembers in the database who was greeted, so that a change that arrives twice brings one mail. */
@Injectable()
export class WelcomeMailsService {
  constructor(private readonly database: DatabaseService) {}

  /** @returns whether this is the first call for the user: the mail is to be sent */
  async claim(userId: number, changeId: string): Promise<boolean> {
    try {
      await this.database.write('INSERT INTO welcome_mails (user_id, change_id, pid) VALUES (?, ?, ?)', [
        userId,
        changeId,
        process.pid,
      ]);
      return true;
    } catch (error) {
      if (!isDuplicate(error)) throw error;
    }
    await this.database.write(
      'UPDATE welcome_mails SET calls = calls + 1 WHERE user_id = ? AND change_id = ?',
      [userId, changeId],
    );
    return false;
  }

  /** Those of the users with the highest ids. */
  latest(): Promise<WelcomeMail[]> {
    return this.database.select<WelcomeMail>(
      `SELECT user_id AS userId, change_id AS changeId, pid, calls FROM welcome_mails
       ORDER BY user_id DESC LIMIT ${LATEST}`,
    );
  }
}
