import type { BinlogEvent } from '@vlasky/zongji';
import { waitFor } from '../../../test/support/wait-for';
import { ControlConnection } from '../../../lib/mysql/control-connection';
import { Items } from '../items';
import { readCacheAside } from './cache-aside-reader';
import type { Surroundings, WayDefinition } from './way';

type UpdateEvent = BinlogEvent & { rows: { after: { id: number } }[] };

const SERVER_ID = 4_000_000_001;
const CATCH_UP_MILLIS = 120_000;

/** A tail of the binlog deletes the key as soon as it sees the row's event, as the Go library does. */
export const deleteOnEvent: WayDefinition = {
  name: 'delete-on-event',
  label: 'DEL on the binlog event',
  async open(surroundings) {
    const { redis, writes } = surroundings;
    let deleted = 0;
    let failure: unknown;
    const fail = (error: unknown): void => {
      failure ??= error;
    };
    const stop = await tail(
      surroundings,
      (id) => {
        redis.del(Items.keyOf(id)).then(() => deleted++, fail);
      },
      fail,
    );
    return {
      read: (key, load) => readCacheAside(redis, key, load),
      write: (_key, commit) => commit(),
      async settle() {
        await waitFor(() => deleted === writes || failure !== undefined, {
          timeoutMillis: CATCH_UP_MILLIS,
          message: `the tail: ${deleted} of ${writes} changes`,
        });
        if (failure) throw failure;
      },
      close: stop,
    };
  },
};

/** Tells the id of each row that is updated from now on; resolves with what stops it. */
async function tail(
  { sql }: Surroundings,
  onUpdated: (id: number) => void,
  onError: (error: unknown) => void,
): Promise<() => Promise<void>> {
  const { default: ZongJi } = await import('@vlasky/zongji');
  const control = await ControlConnection.open(sql.connectionOptions());
  const { file, offset } = await control.currentPosition(await control.serverInfo());
  control.close();
  const zongji = new ZongJi(sql.connectionOptions());
  zongji.on('binlog', (event: BinlogEvent) => {
    if (event.getEventName() !== 'updaterows') return;
    for (const { after } of (event as UpdateEvent).rows) onUpdated(after.id);
  });
  await new Promise<void>((resolve, reject) => {
    zongji.on('ready', resolve);
    zongji.on('error', (error: Error) => {
      reject(error);
      onError(error);
    });
    zongji.start({
      serverId: SERVER_ID,
      filename: file,
      position: offset,
      includeEvents: ['tablemap', 'updaterows'],
      includeSchema: { races: ['items'] },
    });
  });
  return () =>
    new Promise((resolve) => {
      zongji.on('stopped', resolve);
      zongji.stop();
    });
}
