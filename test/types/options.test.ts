import type { DynamicModule } from '@nestjs/common';
import type { Observable } from 'rxjs';
import { Cluster, Redis } from 'ioredis';
import { expectTypeOf } from 'expect-type';
import { expect, it } from 'vitest';
import { CacheStrategy, CacheflowModule, OnBinlog, getCacheflowToken, tables } from '../../lib';
import type {
  AuditStatus,
  DistributionStatus,
  CacheflowAsyncOptions,
  CacheflowError,
  CacheflowErrorCode,
  CacheflowOptions,
  CacheflowOptionsFactory,
  CacheflowService,
  CacheflowStatus,
  ChangeAction,
  ChangeEvent,
  Checkpoint,
  CheckpointStore,
  KeyFunction,
  Row,
  TableOptions,
  TableStrategy,
  TableStrategyContext,
  TailState,
} from '../../lib';

interface User {
  id: number;
  name: string;
}

const BASE = {
  mysql: { user: 'cacheflow' },
  redis: { port: 6379 },
  tables: [{ db: 'user', table: 'users' }],
};

class UserStrategy implements TableStrategy<User> {
  onInsert(event: ChangeEvent<User>, context: TableStrategyContext): void {
    expectTypeOf(event.after).toEqualTypeOf<User | null>();
    expectTypeOf(context.keys).toEqualTypeOf<readonly string[]>();
    expectTypeOf(context.ttlSeconds).toEqualTypeOf<number | undefined>();
  }
  async onUpdate(): Promise<void> {}
  onDelete(): void {}
}

/** Calls nothing: what is inside is only compiled. */
function onlyCompiled(_body: () => void): void {}

it('an event has the type of its row', () => {
  expectTypeOf<ChangeEvent['before']>().toEqualTypeOf<Row | null>();
  expectTypeOf<ChangeEvent<User>['after']>().toEqualTypeOf<User | null>();
  expectTypeOf<ChangeEvent['action']>().toEqualTypeOf<'insert' | 'update' | 'delete'>();
  expectTypeOf<ChangeEvent['gtid']>().toEqualTypeOf<string | undefined>();
  expectTypeOf<ChangeEvent['timestamp']>().toEqualTypeOf<number>();
  expectTypeOf<ChangeEvent['position']>().toEqualTypeOf<{
    readonly file: string;
    readonly offset: number;
    readonly row: number;
  }>();
  expectTypeOf<Row[string]>().toEqualTypeOf<unknown>();
  expect(true).toBe(true);
});

it('a handler has to take the event of its decorator', () => {
  class Listener {
    @OnBinlog('user.users')
    untyped(event: ChangeEvent): unknown {
      return event.after?.['name'];
    }
    @OnBinlog<User>('user.users', { actions: ['update'], source: 'main' })
    async typed(event: ChangeEvent<User>): Promise<void> {
      expectTypeOf(event.after?.name).toEqualTypeOf<string | undefined>();
    }
    @OnBinlog<User>(['user.users', 'user.*'] as const)
    withoutEvent(): void {}
    @OnBinlog<User>('user.users')
    withPart(event: { action: ChangeAction; after: { name: string } | null }): void {
      expectTypeOf(event.after).toEqualTypeOf<{ name: string } | null>();
    }

    // @ts-expect-error a handler is not given a row
    @OnBinlog<User>('user.users')
    ofRow(row: User): void {
      expectTypeOf(row).toEqualTypeOf<User>();
    }
    // @ts-expect-error the row of the event is another one
    @OnBinlog<User>('user.users')
    ofOther(event: ChangeEvent<{ sku: string }>): void {
      expectTypeOf(event).not.toBeAny();
    }
    // @ts-expect-error without a type the columns are unknown
    @OnBinlog('user.users')
    ofAssumed(event: ChangeEvent<User>): void {
      expectTypeOf(event).not.toBeAny();
    }
    // @ts-expect-error a handler gets one argument
    @OnBinlog('user.users')
    ofTwo(event: ChangeEvent, more: string): string {
      return `${event.table}${more}`;
    }
    // @ts-expect-error there is no such action
    @OnBinlog('user.users', { actions: ['upsert'] })
    ofUpsert(): void {}
    // @ts-expect-error there is no such option
    @OnBinlog('user.users', { action: ['update'] })
    ofMisspelt(): void {}
    // @ts-expect-error a pattern is text
    @OnBinlog(/user/)
    ofRegExp(): void {}
  }
  expect(new Listener()).toBeInstanceOf(Listener);
  expect(() => {
    class Mistaken {
      // @ts-expect-error it is for methods
      @OnBinlog('user.users')
      readonly property = 5;
    }
    return Mistaken;
  }).toThrow('@OnBinlog is for methods, which Mistaken.property is not');
});

it('options are checked by name and by kind', () => {
  const options: CacheflowOptions[] = [
    BASE,
    { ...BASE, redis: 'redis://127.0.0.1' },
    { ...BASE, redis: { namespace: 'cache' } },
    { ...BASE, redis: { host: 'h', password: async () => 'p' } },
    { ...BASE, mysql: { user: 'u', password: () => 'p', ssl: { ca: 'pem' }, serverId: 7 } },
    { ...BASE, startAt: { gtidSet: '' }, checkpoint: { file: 'x' } },
    { ...BASE, startAt: { file: 'binlog.000001', offset: 4 }, checkpoint: 'redis' },
    { ...BASE, tables: tables('user', 'write-through', 'users', 'sessions') },
    { ...BASE, tables: tables('user', UserStrategy, 'users') },
    { ...BASE, tables: [{ db: 'a', table: '*', strategy: CacheStrategy.WriteThrough, ttlSeconds: 5 }] },
  ];
  onlyCompiled(() => {
    options.push({ ...BASE, redis: new Redis() }, { ...BASE, redis: new Cluster([]) });
    // @ts-expect-error there is no such option
    options.push({ ...BASE, watchdogMilis: 5 });
    // @ts-expect-error the source is missing
    options.push({ redis: {}, tables: [] });
    // @ts-expect-error a user has to be named
    options.push({ ...BASE, mysql: { host: 'h' } });
    // @ts-expect-error there is no such strategy
    options.push({ ...BASE, tables: [{ db: 'a', table: 'b', strategy: 'write-behind' }] });
    // @ts-expect-error it is no strategy
    options.push({ ...BASE, tables: [{ db: 'a', table: 'b', strategy: Date }] });
    // @ts-expect-error there is no such table option
    options.push({ ...BASE, tables: [{ db: 'a', table: 'b', ttl: 5 }] });
    // @ts-expect-error a time is a number
    options.push({ ...BASE, tables: [{ db: 'a', table: 'b', ttlSeconds: '5' }] });
    // @ts-expect-error there is no such place
    options.push({ ...BASE, startAt: 'newest' });
    // @ts-expect-error it cannot load
    options.push({ ...BASE, checkpoint: { save: async () => undefined } });
    // @ts-expect-error tables takes a strategy
    tables('user', 'users');
  });
  expect(options).toHaveLength(10);
});

it('a key function may name the type of its row', () => {
  // TypeScript takes an alias here, not an interface, which has no index signature.
  type UserRow = Pick<User, 'id' | 'name'>;
  const key = (row: UserRow): string[] => [`user:${row.id}`];
  const table: TableOptions = { db: 'user', table: 'users', key, match: 'user:*' };
  const makers: KeyFunction[] = [
    key,
    (row) => String(row['id']),
    () => null,
    () => undefined,
    (row: UserRow) => row.name,
  ];
  // @ts-expect-error a key is text
  makers.push(() => 5);
  // @ts-expect-error a key is not made asynchronously
  makers.push(async () => 'key');
  expectTypeOf<Parameters<KeyFunction>>().toEqualTypeOf<[row: Row]>();
  expect(table.key).toBe(key);
});

it('forRootAsync takes each of its three forms', () => {
  class Factory implements CacheflowOptionsFactory {
    createCacheflowOptions(): CacheflowOptions {
      return BASE;
    }
  }
  class Settings {
    readonly options: CacheflowOptions = BASE;
  }
  const forms: CacheflowAsyncOptions[] = [
    { useFactory: () => BASE },
    { useFactory: async () => BASE, name: 'books', isGlobal: false },
    { imports: [], inject: [Settings], useFactory: (settings: Settings) => settings.options },
    { inject: [Settings, 'NAME'], useFactory: async ({ options }: Settings, _name: string) => options },
    { useClass: Factory },
    { useExisting: Factory, imports: [] },
  ];
  onlyCompiled(() => {
    // @ts-expect-error it makes no options
    forms.push({ useClass: Settings });
    // @ts-expect-error it makes no options
    forms.push({ useFactory: () => ({ mysql: 5 }) });
    // @ts-expect-error there is no such form
    forms.push({ useValue: BASE });
    // @ts-expect-error the name is no part of what a factory makes, because tokens depend on it
    forms.push({ useFactory: (): CacheflowOptions => ({ ...BASE, name: 'books' }) });
  });
  expectTypeOf(CacheflowModule.forRoot).returns.toEqualTypeOf<DynamicModule>();
  expectTypeOf(CacheflowModule.forRootAsync).returns.toEqualTypeOf<DynamicModule>();
  for (const form of forms) expect(CacheflowModule.forRootAsync(form).module).toBe(CacheflowModule);
});

it('the service tells the types of what it gives', () => {
  expectTypeOf<CacheflowService['events$']>().toEqualTypeOf<Observable<ChangeEvent>>();
  expectTypeOf<CacheflowService['errors$']>().toEqualTypeOf<Observable<CacheflowError>>();
  expectTypeOf<CacheflowService['status']>().returns.toEqualTypeOf<CacheflowStatus>();
  expectTypeOf<CacheflowService['caughtUp']>().toEqualTypeOf<
    (options?: { timeoutMillis?: number }) => Promise<void>
  >();
  expectTypeOf<CacheflowService['invalidate']>().toEqualTypeOf<(...keys: string[]) => Promise<void>>();
  expectTypeOf<CacheflowService['pause']>().toEqualTypeOf<() => Promise<void>>();
  expectTypeOf<CacheflowStatus['state']>().toEqualTypeOf<TailState>();
  expectTypeOf<CacheflowError['code']>().toEqualTypeOf<CacheflowErrorCode>();
  expectTypeOf<CheckpointStore['load']>().returns.resolves.toEqualTypeOf<Checkpoint | null>();
  expect(getCacheflowToken('books')).toBe('CacheflowService:books');
});

it('an audit can be told how to compare, and tells what it found', () => {
  expectTypeOf<CacheflowStatus['distribution']>().toEqualTypeOf<DistributionStatus | undefined>();
  expectTypeOf<CacheflowStatus['audit']>().toEqualTypeOf<AuditStatus | undefined>();
  const options: CacheflowOptions = {
    ...BASE,
    audit: { sample: 0.5, horizonsMillis: [1_000], repair: true, maxPending: 10 },
    tables: [{ db: 'user', table: 'users', audit: { compare: (cached, row) => cached === row['name'] } }],
  };
  // @ts-expect-error a share is a number
  const wrong: CacheflowOptions = { ...BASE, audit: { sample: 'all' } };
  expect([options, wrong]).toHaveLength(2);
});
