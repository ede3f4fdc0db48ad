/** In what our sessions differ. */
export interface SessionOptions {
  /** How long a statement waits for a lock. @defaultValue that of a query */
  readonly lockWaitSeconds?: number;
  /** Leaves the time zone as the server gives it to any session; else it is UTC. */
  readonly ownTimeZone?: boolean;
}

/** How long any single question to the source may take. */
export const QUERY_TIMEOUT_MILLIS = 10_000;

/** What old servers have as well. */
const ANYWHERE = [
  // mysql2 sends text in it. Before everything else, because the server reads the rest in it.
  'NAMES utf8mb4',
  // Without NO_BACKSLASH_ESCAPES and ANSI_QUOTES, so that what mysql2 quotes is what the server reads.
  "sql_mode = ''",
  // Each statement sees what is committed by then, and keeps neither a snapshot nor a lock on a table's definition.
  'autocommit = 1',
  // Answers come whole.
  'group_concat_max_len = 1073741824',
  'sql_select_limit = 18446744073709551615',
  'sql_big_selects = 1',
  'sql_quote_show_create = 1',
  // Idle is no reason to hang up.
  'wait_timeout = 28800',
];
/**
 * Comments that one server executes and the other skips: MariaDB passes over `/*!50700` to `/*!99999`, and the M is
 * its own. The locking reads of READ COMMITTED lock no gap; MySQL before 5.7.20 has another name for it, and keeps
 * its default.
 */
const BY_SERVER = [
  '/*!50708 max_execution_time = 0, */',
  "/*!50720 transaction_isolation = 'READ-COMMITTED', */",
  // A primary key that MySQL made up is in the binlog, and so has to be among the columns.
  '/*!80030 show_gipk_in_create_table_and_information_schema = ON, */',
  "/*M!100100 max_statement_time = 0, tx_isolation = 'READ-COMMITTED', */",
];

/**
 * The one statement that each session of ours begins with. Whatever a server is set up to do with new sessions
 * (init_connect, its defaults): names, texts and values arrive as they are, and no answer is cut short.
 */
export function sessionSetup({ lockWaitSeconds, ownTimeZone = false }: SessionOptions): string {
  const seconds = lockWaitSeconds ?? QUERY_TIMEOUT_MILLIS / 1_000;
  const own = [`lock_wait_timeout = ${seconds}`, `innodb_lock_wait_timeout = ${seconds}`];
  if (!ownTimeZone) own.unshift("time_zone = '+00:00'");
  return `SET ${ANYWHERE.join(', ')}, ${BY_SERVER.join(' ')} ${own.join(', ')}`;
}
