import type { CacheflowOptions, StartAt } from '../options/cacheflow.options';
import type { CheckpointStore } from '../options/checkpoint.store';
import type { OptionCheck } from './option-check';
import { isObject } from './option-check';

/** Where to begin without a checkpoint. */
export function resolveStartAt(check: OptionCheck, given: unknown): StartAt {
  if (given === undefined || given === 'latest' || given === 'earliest') return given ?? 'latest';
  if (isObject(given) && isGtidSet(given['gtidSet'])) return { gtidSet: given['gtidSet'] };
  if (isObject(given) && typeof given['file'] === 'string' && Number.isInteger(given['offset'])) {
    return { file: given['file'], offset: Number(given['offset']) };
  }
  check.fault(
    'startAt',
    'it is no place in a binlog',
    "Use 'latest', 'earliest', { file, offset } or { gtidSet: '…' } in the server's own form",
  );
  return 'latest';
}

/** MySQL: `uuid:1-5:7,…`, also with tags; MariaDB: `0-1-1234,…`; empty for all there is. */
function isGtidSet(value: unknown): value is string {
  const uuid = '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}';
  const mysql = new RegExp(`^${uuid}(:\\w+(-\\d+)?)+$`, 'i');
  return (
    typeof value === 'string' &&
    (value === '' ||
      value.split(',').every((part) => mysql.test(part.trim()) || /^\d+-\d+-\d+$/.test(part.trim())))
  );
}

/** Where the checkpoint is kept. */
export function resolveCheckpoint(
  check: OptionCheck,
  given: CacheflowOptions['checkpoint'],
): NonNullable<CacheflowOptions['checkpoint']> {
  if (given === undefined || given === 'redis' || typeof given === 'function') return given ?? 'redis';
  if (isObject(given)) {
    if ('file' in given && typeof given.file === 'string' && given.file !== '') return { file: given.file };
    const store = given as Partial<CheckpointStore>;
    if (typeof store.load === 'function' && typeof store.save === 'function') return store as CheckpointStore;
  }
  check.fault('checkpoint', 'it is no checkpoint store', "Use 'redis', { file: '…' } or a CheckpointStore");
  return 'redis';
}
