import type { INestApplication } from '@nestjs/common';
import type { SqlServer } from '../../test/support/servers';
import { SettingsService } from '../settings/settings.service';
import { UsersService } from '../users/users.service';

const USERS = [
  ['Ada Lovelace', 'ada@example.org'],
  ['Grace Hopper', 'grace@example.org'],
  ['Alan Turing', 'alan@example.org'],
  ['Barbara Liskov', 'barbara@example.org'],
];

export async function insertUsers(sql: SqlServer): Promise<void> {
  for (const user of USERS) await sql.query('INSERT INTO user.users (name, email) VALUES (?, ?)', user);
}

/** So that the page has something to show: two users that were read, two rows of the write-through table. */
export async function useTheApp(app: INestApplication): Promise<void> {
  const users = app.get(UsersService);
  const settings = app.get(SettingsService);
  await users.find(1);
  await users.find(2);
  await settings.save(1, { theme: 'dark', newsletter: true });
  await settings.save(2, { theme: 'light', newsletter: false });
}
