import type { ControlConnection } from './control-connection';
import { sqlErrorCode } from './control-connection';

/** The account that the server took us for, as GRANT wants it. */
export async function currentUser(control: ControlConnection): Promise<string> {
  const [row] = await control.query('SELECT CURRENT_USER() AS user');
  const [user = '', host = ''] = String(row?.['user']).split('@');
  return `'${user}'@'${host}'`;
}

/** Codes that MySQL and MariaDB answer with when a grant is missing. */
export function isDenied(error: unknown): boolean {
  const code = sqlErrorCode(error) ?? '';
  return /^ER_(SPECIFIC_ACCESS_DENIED|ACCESS_DENIED|DBACCESS_DENIED|TABLEACCESS_DENIED|COLUMNACCESS_DENIED)/.test(
    code,
  );
}
