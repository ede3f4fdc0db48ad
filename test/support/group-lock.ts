import type { Stage } from './each-sql';

/** The session on the source that has the lock of the group without a name; 0 where none has. */
export async function lockSession({ redis, sql }: Stage): Promise<number> {
  const group = await redis.hget('cf:{cacheflow:default:checkpoint}:group', 'id');
  const lock = `cacheflow:default:${group?.replaceAll('-', '').slice(0, 16)}`;
  const [row] = await sql.query<{ id: number | null }>('SELECT IS_USED_LOCK(?) AS id', [lock]);
  return row?.id ?? 0;
}
