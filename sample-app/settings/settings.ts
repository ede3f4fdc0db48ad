import { flag, oneOf } from '../validation';

/** A row of user.settings, as mysql2 gives it and as write-through stores it. */
export interface Settings {
  user_id: number;
  theme: 'light' | 'dark';
  newsletter: 0 | 1;
}

export interface SettingsInput {
  theme: 'light' | 'dark';
  newsletter: boolean;
}

export const SETTINGS_FIELDS = { theme: oneOf('light', 'dark'), newsletter: flag };
