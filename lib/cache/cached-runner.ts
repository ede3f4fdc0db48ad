import { Inject, Injectable } from '@nestjs/common';
import { KeyUnknownError } from '../errors/cache.errors';
import { TableKeys } from '../keys/table-keys';
import { CacheReader } from './cache-reader';
import type { CachedByTable, CachedMetadata, CachedOptions } from './cached-options';
import { columnsBy } from './cached-options';
import type { ReadOptions } from './read-options';
import type { StorabilityCheck } from './storability';

type Arguments = readonly unknown[];

/** One call of a decorated method. */
export interface CachedCall {
  readonly metadata: CachedMetadata;
  readonly args: Arguments;
  /** The values of columns where they are no arguments. Not `valueOf`, which every object has. */
  readonly columnValue?: (column: string) => unknown;
  readonly storability?: StorabilityCheck;
  proceed(): Promise<unknown>;
}

/** Where decorated methods find the runner of a source. */
export function cachedRunnerToken(source: string): string {
  return `nestjs-cacheflow:cached-runner:${source}`;
}

/** Runs decorated methods through the cache. */
@Injectable()
export class CachedRunner {
  /** Of options that are the same for each call. */
  private readonly known = new WeakMap<CachedOptions<Arguments>, ReadOptions>();

  constructor(
    @Inject(CacheReader) private readonly reader: CacheReader,
    @Inject(TableKeys) private readonly tableKeys: TableKeys,
  ) {}

  /** Rejects with what the method throws. @throws KeyUnknownError, ReadOptionsError */
  async run(call: CachedCall): Promise<unknown> {
    const { metadata, args } = call;
    const { options, subject } = metadata;
    const read = this.readOptionsOf(options, args);
    if ('key' in options) {
      return this.reader.getOrLoad(options.key(...args), () => call.proceed(), read, call.storability);
    }
    const { table } = options;
    const row = await this.rowOf(options, call);
    // Without a value for each column there is no such key, and no row is found by it.
    const key = row && (await this.tableKeys.askKeyOf(table, row));
    if (!row || key === undefined) return call.proceed();
    if (this.tableKeys.isAmbiguous(table, row)) {
      this.reader.reportUnfit(
        `${subject}: a row of ${table} was asked for by a text that holds what separates the columns of its key, which another row ` +
          'may have as well then; it is not cached. Use a key template with a separator that no value has',
      );
      return call.proceed();
    }
    const storability: StorabilityCheck = (value) => {
      if (!this.tableKeys.contradicts(table, row, key, value)) return call.storability?.(value) ?? 'cached';
      const reason =
        `${subject}: a row of ${table} was asked for by another value than it has (another case, a number as text, or by ` +
        'another column), so that nobody would invalidate the key; it is not cached. Pass the value as the row has it';
      return { reason };
    };
    return this.reader.getOrLoad(key, () => call.proceed(), forAbsence(read, row), storability);
  }

  /** What is wrong with those options that are known before the first call; undefined where nothing is. */
  problemOf(options: CachedOptions<Arguments>): string | undefined {
    const { dependsOn, ...rest } = options;
    const given = typeof dependsOn === 'function' ? rest : { ...rest, dependsOn };
    return this.reader.problemOf(this.readOptionsOf(given as CachedOptions<Arguments>, []));
  }

  /** Undefined while nobody knows the columns of the key, because the source was not reached yet. */
  private async rowOf(
    options: CachedByTable<Arguments>,
    { args, columnValue }: CachedCall,
  ): Promise<object | undefined> {
    if (options.row) return options.row(...args);
    const columns = columnsBy(options) ?? (await this.tableKeys.columnsOf(options.table));
    if (!columns) return undefined;
    const [first] = args;
    if (!columnValue && isRowWith(first, columns))
      return Object.fromEntries(columns.map((column) => [column, first[column]]));
    const value = (column: string, index: number): unknown =>
      columnValue ? columnValue(column) : args[index];
    const row = Object.fromEntries(columns.map((column, index) => [column, value(column, index)]));
    const unnamed = columnValue ? columns.filter((column) => row[column] === undefined) : [];
    if (unnamed.length > 0) {
      throw new KeyUnknownError(
        `The key of ${options.table} is made of ${columns.join(', ')}, and the route has no parameter ${unnamed.join(', ')}: ` +
          'name its parameters like the columns, or make these of the request with `row`',
      );
    }
    const wrong = columns.filter((column) => isNoValue(row[column]));
    if (wrong.length === 0) return row;
    throw new KeyUnknownError(
      `The key of ${options.table} is made of ${columns.join(', ')}, and what was passed for ${wrong.join(', ')} is no value of a column: ` +
        'pass them in this order, or make them of the arguments with `row`',
    );
  }

  private readOptionsOf(options: CachedOptions<Arguments>, args: Arguments): ReadOptions {
    const known = this.known.get(options);
    if (known && typeof options.dependsOn !== 'function') return known;
    const { dependsOn, source: _source, ...rest } = options;
    const read: Record<string, unknown> = { ...rest };
    for (const name of ['table', 'by', 'row', 'key']) delete read[name];
    const tags = typeof dependsOn === 'function' ? dependsOn(...args) : dependsOn;
    if (tags !== undefined) read['dependsOn'] = tags;
    this.known.set(options, read);
    return read;
  }
}

/**
 * A row that is inserted later may be found by another text than it has (another case, trailing blanks), and its key is
 * another one then: that there is none is cached for a text only where the app asks for it.
 */
function forAbsence(read: ReadOptions, row: object): ReadOptions {
  const isExact = Object.values(row).every(
    (value) => typeof value !== 'string' || /^(0|-?[1-9]\d*)$/.test(value),
  );
  return isExact || read.negativeTtlSeconds !== undefined ? read : { ...read, negativeTtlSeconds: 0 };
}

function isRowWith(value: unknown, columns: readonly string[]): value is Record<string, unknown> {
  return (
    typeof value === 'object' && value !== null && columns.every((column) => Object.hasOwn(value, column))
  );
}

/** Objects other than those that stand for a value of a column. */
function isNoValue(value: unknown): boolean {
  if (typeof value === 'function' || typeof value === 'symbol') return true;
  return typeof value === 'object' && value !== null && !(value instanceof Date) && !Buffer.isBuffer(value);
}
