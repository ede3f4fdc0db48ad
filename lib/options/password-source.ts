import { errorKind } from '../errors/change.errors';
import type { PasswordSource } from './cacheflow.options';

/**
 * Asks a password source for the password of the next connection. Rejects with an error that does not repeat what the
 * app's function threw, because that text would end up in messages and may contain the password.
 */
export async function resolvePassword(password: PasswordSource | undefined): Promise<string> {
  if (typeof password !== 'function') return password ?? '';
  try {
    return await password();
  } catch (cause) {
    throw new Error(`The password function failed: ${errorKind(cause)}`, { cause });
  }
}
