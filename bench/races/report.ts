import { POOL_SIZE } from './items';
import { READERS, WRITERS } from './load';
import { HOT_READ_SHARE, PAUSE_MILLIS, PAUSE_SHARE, RACE_MILLIS, SLOW_LOAD_MILLIS } from './load-plan';
import type { LoadShape } from './options';
import { RACE_READS } from './options';
import { REST_MILLIS } from './run-way';
import type { WayResult } from './run-way';
import { FAIR_MILLIS } from './truth';
import { TTL_SECONDS } from './ways/way';

export type Row = Record<string, string>;

/** A line of the table of one server. */
export function toRow({ label, counts, writes, seconds, cached, stale }: WayResult, shape: LoadShape): Row {
  const { reads, loads, staleLate, staleAtOnce } = counts;
  const [p50, p99] = counts.latencyAt(0.5, 0.99) as [number, number];
  return {
    way: label,
    reads: number(reads),
    writes: number(writes),
    'hit rate': percent(reads - loads, reads),
    'stale keys left': number(stale),
    '% of keys': percent(stale, shape.keys),
    'keys cached': number(cached),
    [`stale reads, commit > ${FAIR_MILLIS} ms ago`]: number(staleLate),
    'per million': number(perMillion(staleLate, reads)),
    'stale reads, any commit before': number(staleAtOnce),
    'per million ': number(perMillion(staleAtOnce, reads)),
    'read p50 ms': p50.toFixed(2),
    'read p99 ms': p99.toFixed(2),
    seconds: seconds.toFixed(0),
  };
}

/** The same table for a README. */
export function toMarkdown(rows: readonly Row[]): string {
  const names = Object.keys(rows[0] ?? {});
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const rule = names.map((_, index) => (index === 0 ? '---' : '---:'));
  return [names.map((name) => name.trim()), rule, ...rows.map((row) => names.map((name) => row[name] ?? ''))]
    .map(line)
    .join('\n');
}

/** Everything that one must know to judge the figures. */
export function describeLoad(shape: LoadShape): string {
  const { reads, writes, keys, hotKeys, rate, slowEvery, seed } = shape;
  const races = keys - hotKeys;
  const others = reads - races * RACE_READS;
  const pace = rate > 0 ? `at most ${number(rate)} a second` : 'as fast as it goes';
  const slow = slowEvery > 0 ? `; one load in ${slowEvery} takes ${SLOW_LOAD_MILLIS} ms longer` : '';
  return `The load, the same for each way (seed ${seed}): ${number(keys)} rows of about 240 bytes as JSON, a new table and an empty Redis before each way, which has run a small load to warm up, the servers' own settings for durability. \
${number(hotKeys)} hot keys get ${number(writes - races)} writes, over and over; ${number(races)} raced keys are written exactly once each. \
A raced key is not cached before: its one write and ${RACE_READS} reads of it begin at random moments of the same ${RACE_MILLIS} ms, and then it is left alone but for reads. \
The other ${number(others)} reads, ${pace}, go ${HOT_READ_SHARE * 100} % to the hot keys and ${100 - HOT_READ_SHARE * 100} % to keys that were raced before, ${READERS} in flight; ${WRITERS} writers keep step with them, so that reads and writes are mixed evenly. \
A write is one UPDATE by primary key with autocommit, which counts the row's version up; a load is one SELECT by primary key, and ${PAUSE_SHARE * 100} % of the loads pause for up to ${PAUSE_MILLIS} ms (uniformly) between the SELECT's answer and their return${slow}. \
Readers, writers and tails share one process and one Redis client, readers and writers have a pool of ${POOL_SIZE} connections each; values are kept for ${TTL_SECONDS / 3_600} h. \
A read is stale when it returns a version lower than one whose commit had returned to its writer before the read began: more than ${FAIR_MILLIS} ms before in the first count, at any time before in the second. \
The hit rate counts the reads that did not have to load by themselves. \
Stale keys are counted once all readers and writers have stopped, the tails have caught up and the delayed deletions are done, and ${REST_MILLIS / 1_000} s more: a key counts when its value differs from the JSON of its row.`;
}

function perMillion(count: number, of: number): number {
  return Math.round((count / of) * 1e6);
}

function percent(count: number, of: number): string {
  return `${((count / of) * 100).toFixed(2)} %`;
}

function number(value: number): string {
  return value.toLocaleString('en-US');
}
