import type { Random } from '../random';
import type { ChaosTable } from '../tables';
import { BULK_ROWS, WIDE_ROWS, tableNamed } from '../tables';
import type { RowStatements, Statement } from './row-statements';

/** Three bytes each; makes more than 8 MB of the rows of one statement. */
const WIDE_CHARACTERS = 250_000;

/** Changes that are too large to be held in one piece: of many rows, or of wide ones. */
export function largeStatements(rows: RowStatements, random: Random, by: string): Statement[] {
  return random.chance(0.4) ? wide(rows, by) : [bulk(rows, random, by)];
}

function bulk(rows: RowStatements, random: Random, by: string): Statement {
  const id = rows.nextChangeId(by);
  const table = tableNamed('bulk');
  const ways = {
    upsert:
      `INSERT INTO bulk (id, seq, change_id, name) SELECT n, 1, ${id}, CONCAT('row ', n) FROM numbers ` +
      `ON DUPLICATE KEY UPDATE seq = seq + 1, change_id = ${id}; ${ledger(id, String(BULK_ROWS))}`,
    update: `UPDATE bulk SET seq = seq + 1, change_id = ${id}, price = id / 7; ${ledger(id)}`,
    delete: `INSERT INTO deletion SELECT 'bulk', id, change_id, ${id} FROM bulk FOR UPDATE; DELETE FROM bulk`,
  };
  const text = random.pick(['upsert', 'upsert', 'update', 'delete'] as const);
  return statement(table, id, `${text} of ${BULK_ROWS} rows`, ways[text]);
}

/** Wide for the moment only, since the cache is compared with all rows again and again. */
function wide(rows: RowStatements, by: string): Statement[] {
  const table = tableNamed('wide');
  const [wider, narrower] = [rows.nextChangeId(by), rows.nextChangeId(by)];
  const widen =
    `INSERT INTO wide (id, seq, change_id, body) SELECT n, 1, ${wider}, REPEAT('宽', ${WIDE_CHARACTERS}) ` +
    `FROM numbers WHERE n <= ${WIDE_ROWS} ` +
    `ON DUPLICATE KEY UPDATE seq = seq + 1, change_id = ${wider}, body = VALUES(body); ` +
    ledger(wider, String(WIDE_ROWS));
  const narrow = `UPDATE wide SET seq = seq + 1, change_id = ${narrower}, body = 'narrow'; ${ledger(narrower)}`;
  return [
    statement(table, wider, 'widened rows', widen),
    statement(table, narrower, 'narrowed rows', narrow),
  ];
}

function statement(table: ChaosTable, changeId: number, text: string, sql: string): Statement {
  // No single rows: readers chase those of the other tables.
  return { table, numbers: [], changeId, text, sql };
}

function ledger(id: number, count = 'ROW_COUNT()'): string {
  return `INSERT INTO ledger VALUES (${id}, ${count})`;
}
