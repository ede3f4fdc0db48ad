import { isGtidSet } from '../change/gtid';
import type { CacheflowOptions, StartAt } from '../options/cacheflow.options';
import type { CheckpointStore } from '../options/checkpoint.store';
import type { OptionCheck } from './option-check';
import { isObject } from './option-check';

/** Where to begin without a checkpoint. */
export function resolveStartAt(check: OptionCheck, given: unknown): StartAt {
  if (given === undefined || given === 'latest' || given === 'earliest') return given ?? 'latest';
  if (isObject(given) && typeof given['gtidSet'] === 'string' && isGtidSet(given['gtidSet'])) {
    return { gtidSet: given['gtidSet'] };
  }
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
