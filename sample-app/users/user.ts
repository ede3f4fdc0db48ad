import { emailAddress, text } from '../validation';

/** A row of user.users. */
export interface User {
  id: number;
  name: string;
  email: string;
}

export type UserInput = Omit<User, 'id'>;

/** As long as the columns. */
export const USER_FIELDS = { name: text(100), email: emailAddress(190) };
