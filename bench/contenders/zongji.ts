import type { BinlogEvent } from '@vlasky/zongji';
import { Redis } from 'ioredis';
import { openReplicationSession } from '../../lib/mysql/zongji';
import { ControlConnection } from '../../lib/mysql/control-connection';
import type { Contender, Job } from '../job';

type RowsEvent = BinlogEvent & { rows: Record<string, unknown>[] };
const ROW_EVENTS = ['writerows', 'updaterows', 'deleterows'];
const SERVER_ID = 4_000_000_000;

/** What people write by hand: each row's key is deleted, one after another. */
export const handWritten: Contender = async (job, onHalf) => {
  const redis = new Redis(job.redisPort);
  let done = 0;
  let queue = Promise.resolve();
  await readWithZongji(job, (rows, finish) => {
    for (const each of rows) {
      const row = (each['after'] ?? each) as { id: number };
      queue = queue.then(async () => {
        await redis.del(`bench:items:${row.id}`);
        done++;
        if (done === Math.round(job.rows / 2)) onHalf();
        if (done === job.rows) finish();
      });
    }
  });
  redis.disconnect();
};

/** zongji's own decoding, and nothing else. */
export const decodeOnly: Contender = async (job) => {
  let done = 0;
  await readWithZongji(job, (rows, finish) => {
    done += rows.length;
    if (done >= job.rows) finish();
  });
};

/** The packets as mysql2 delivers them, undecoded: the ceiling from the network's side. */
export const packetsOnly: Contender = async (job) => {
  const control = await ControlConnection.open(job.mysql);
  const end = await control.currentPosition(await control.serverInfo());
  await new Promise<void>((resolve, reject) => {
    let close: (() => void) | undefined;
    const options = { control: control.raw, serverId: SERVER_ID, start: job.start, heartbeatMillis: 1_000 };
    openReplicationSession(options, {
      onEvent: (buffer, start) => {
        const END_OFFSET = 13;
        if (buffer.readUInt32LE(start + END_OFFSET) < end.offset) return true;
        close?.();
        resolve();
        return true;
      },
      onGtid: () => undefined,
      onError: reject,
    }).then((session) => {
      close = () => session.close();
    }, reject);
  });
  control.close();
};

async function readWithZongji(
  job: Job,
  onRows: (rows: Record<string, unknown>[], finish: () => void) => void,
): Promise<void> {
  const { default: ZongJi } = await import('@vlasky/zongji');
  const zongji = new ZongJi(job.mysql);
  await new Promise<void>((resolve, reject) => {
    zongji.on('error', reject);
    zongji.on('binlog', (event: BinlogEvent) => {
      if (ROW_EVENTS.includes(event.getEventName())) onRows((event as RowsEvent).rows, resolve);
    });
    zongji.start({
      serverId: SERVER_ID,
      filename: job.start.file,
      position: job.start.offset,
      includeEvents: ['tablemap', ...ROW_EVENTS],
      includeSchema: { bench: ['items'] },
    });
  });
  await new Promise<void>((resolve) => {
    zongji.on('stopped', resolve);
    zongji.stop();
  });
}
