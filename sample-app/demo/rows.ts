import type { SqlServer } from '../../test/support/servers';
import type { SettingsInput } from '../settings/settings';
import { callApp } from './call-app';

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
export async function useTheApp(url: string): Promise<void> {
  await callApp('GET', `${url}/users/1`);
  await callApp('GET', `${url}/users/2`);
  await callApp('PUT', `${url}/users/1/settings`, {
    theme: 'dark',
    newsletter: true,
  } satisfies SettingsInput);
  await callApp('PUT', `${url}/users/2/settings`, {
    theme: 'light',
    newsletter: false,
  } satisfies SettingsInput);
}
