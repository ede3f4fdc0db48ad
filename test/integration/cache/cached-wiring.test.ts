import { Controller, Get, Inject, Injectable, Module, Scope, SetMetadata } from '@nestjs/common';
import type { ModuleMetadata, Provider } from '@nestjs/common';
import { expect, it } from 'vitest';
import {
  CacheflowModule,
  CacheflowService,
  Cached,
  CachedResponse,
  OnBinlog,
  getCacheflowToken,
  tag,
} from '../../../lib';
import type { CachedOptions, ChangeEvent } from '../../../lib';
import { bootApp } from '../../support/app';
import { describeEachSql } from '../../support/each-sql';
import { faultLines, refusedBoot } from '../../support/refused-boot';
import { waitFor } from '../../support/wait-for';
import { itOnOneServer } from '../../support/redis/on-one-server';

// Whose methods @Cached works on, beside which other decorators, and what is refused at the start.

const schema = `
  CREATE DATABASE app;
  CREATE TABLE app.users (id INT PRIMARY KEY, name VARCHAR(50));
  CREATE TABLE app.profiles (user_id INT PRIMARY KEY, email VARCHAR(100));
  CREATE TABLE app.sessions (id INT PRIMARY KEY, code VARCHAR(50));
  CREATE DATABASE shop; CREATE TABLE shop.items (sku VARCHAR(20) PRIMARY KEY, stock INT);
  INSERT INTO app.users VALUES (1, 'Ann'), (2, 'Bea');`;

const tables = [
  { db: 'app', table: 'users' },
  { db: 'app', table: 'profiles', key: ['profile:{user_id}', 'profile:mail:{email}'] },
  { db: 'app', table: 'sessions', key: (row: { code: string }) => `session:${row.code}`, match: 'session:*' },
  { db: 'shop', table: '*' },
];

interface Getter {
  get(id: number): Promise<unknown>;
}

describeEachSql('@Cached', { schema }, (stage) => {
  /** Who loaded which users. */
  const loads: string[] = [];

  async function load(by: string, id: number): Promise<unknown> {
    loads.push(`${by} ${id}`);
    return (await stage.sql.query('SELECT * FROM app.users WHERE id = ?', [id]))[0] ?? null;
  }

  /** Gets a user twice, of which only the first time may load it. */
  async function expectOneLoad(by: string, getter: Getter): Promise<void> {
    await stage.redis.unlink('app:users:1');
    loads.length = 0;
    expect(await getter.get(1)).toEqual({ id: 1, name: 'Ann' });
    expect(await getter.get(1)).toEqual({ id: 1, name: 'Ann' });
    expect(loads).toEqual([`${by} 1`]);
    expect(await stage.redis.exists('app:users:1')).toBe(1);
  }

  async function expectPlain(by: string, getter: Getter): Promise<void> {
    await stage.redis.unlink('app:users:1');
    loads.length = 0;
    await getter.get(1);
    await getter.get(1);
    expect(loads).toEqual([`${by} 1`, `${by} 1`]);
    expect(await stage.redis.keys('*app:users*')).toEqual([]);
  }

  @Injectable()
  class Users implements Getter {
    @Cached({ table: 'app.users' })
    async get(id: number): Promise<unknown> {
      return load(this.constructor.name, id);
    }
  }

  it('works on providers of a class, a factory, a value, in a module of their own, and on controllers', async () => {
    class Handmade extends Users {}
    class Value extends Users {}
    @Controller('users')
    class UsersController extends Users {}
    @Injectable()
    class Other extends Users {}
    @Module({ providers: [Other] })
    class OtherModule {}
    const providers: Provider[] = [
      Users,
      { provide: 'HANDMADE', useFactory: () => new Handmade() },
      { provide: 'LATER', useFactory: async () => new Handmade() },
      { provide: 'VALUE', useValue: new Value() },
    ];
    const { context, errors } = await stage.app(
      { tables },
      { providers, controllers: [UsersController], imports: [OtherModule] },
    );
    await expectOneLoad('Users', context.get(Users));
    await expectOneLoad('Handmade', context.get('HANDMADE'));
    await expectOneLoad('Handmade', context.get('LATER'));
    await expectOneLoad('Value', context.get('VALUE'));
    await expectOneLoad('UsersController', context.get(UsersController));
    await expectOneLoad('Other', context.get(Other, { strict: false }));
    expect(errors).toEqual([]);
  });

  it('works on request-scoped and transient classes', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class PerRequest extends Users {}
    @Injectable({ scope: Scope.TRANSIENT })
    class Transient extends Users {}
    @Injectable()
    class Holder {
      constructor(@Inject(Transient) readonly held: Transient) {}
    }
    const { context } = await stage.app({ tables }, { providers: [PerRequest, Transient, Holder] });
    const [one, other] = [await context.resolve(PerRequest), await context.resolve(PerRequest)];
    expect(one).not.toBe(other);
    await expectOneLoad('PerRequest', one);
    loads.length = 0;
    await other.get(1);
    expect(loads).toEqual([]);
    await expectOneLoad('Transient', await context.resolve(Transient));
    await expectOneLoad('Transient', context.get(Holder).held);
  });

  it('works where only the module of the source is imported, which is not global', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class PerRequest extends Users {}
    @Module({
      imports: [CacheflowModule.forRoot({ ...stage.options({ tables }), isGlobal: false })],
      providers: [Users, PerRequest],
    })
    class UsersModule {}
    const app = await bootApp({ imports: [UsersModule] });
    try {
      await app.cacheflow.caughtUp();
      await expectOneLoad('Users', app.context.get(Users, { strict: false }));
      await expectOneLoad('PerRequest', await app.context.resolve(PerRequest, undefined, { strict: false }));
    } finally {
      await app.close();
    }
  });

  it('is inherited, unless the method is overridden without it', async () => {
    @Injectable()
    class Inherits extends Users {}
    @Injectable()
    class Overrides extends Users {
      override async get(id: number): Promise<unknown> {
        return load('the override', id);
      }
    }
    class CallsSuper extends Users {
      override async get(id: number): Promise<unknown> {
        return super.get(id);
      }
    }
    const providers = [
      Inherits,
      Overrides,
      CallsSuper,
      { provide: 'HANDMADE', useFactory: () => new CallsSuper() },
    ];
    const { context } = await stage.app({ tables }, { providers });
    await expectOneLoad('Inherits', context.get(Inherits));
    await expectPlain('the override', context.get(Overrides));
    await expectOneLoad('CallsSuper', context.get(CallsSuper));
    await expectOneLoad('CallsSuper', context.get('HANDMADE'));
  });

  it('tells the methods of a class apart', async () => {
    const calls: string[] = [];
    const symbol = Symbol('by symbol');
    @Injectable()
    class Both {
      private readonly own = 'own';
      @Cached({ table: 'app.users' })
      async user(id: number): Promise<string> {
        calls.push(`user ${id}`);
        return `${this.own} user`;
      }
      @Cached({ key: (id: number) => `custom:${id}`, ttlSeconds: 5 })
      async custom(id: number): Promise<string> {
        calls.push(`custom ${id}`);
        return `${this.own} custom`;
      }
      @Cached({ key: () => 'custom:symbol' })
      async [symbol](): Promise<string> {
        calls.push('symbol');
        return `${this.own} symbol`;
      }
    }
    const providers = [Both, { provide: 'HANDMADE', useFactory: () => new Both() }];
    const { context } = await stage.app({ tables }, { providers });
    for (const both of [context.get(Both), context.get<Both>('HANDMADE')]) {
      expect(await both.user(1)).toBe('own user');
      expect(await both.custom(1)).toBe('own custom');
      expect(await both[symbol]()).toBe('own symbol');
      expect(both.user.name).toBe('user');
    }
    expect(calls).toEqual(['user 1', 'custom 1', 'symbol']);
    expect(await stage.redis.mget('app:users:1', 'custom:1')).toEqual(['"own user"', '"own custom"']);
    expect(await stage.redis.ttl('custom:1')).toBeLessThanOrEqual(5);
  });

  itOnOneServer('reads through the source of the name', async () => {
    @Injectable()
    class Both {
      @Cached({ table: 'app.users' })
      async get(id: number): Promise<unknown> {
        return load('default', id);
      }
      @Cached({ table: 'app.users', source: 'orders' })
      async ofOrders(id: number): Promise<unknown> {
        return load('orders', id);
      }
    }
    const orders = {
      ...stage.options({ tables: [{ db: 'app', table: 'users', prefix: 'v2:' }] }),
      redis: { port: stage.redisServer.port, keyPrefix: 'orders:' },
      name: 'orders',
    };
    const app = await bootApp({
      imports: [CacheflowModule.forRoot(stage.options({ tables })), CacheflowModule.forRoot(orders)],
      providers: [Both, { provide: 'HANDMADE', useFactory: () => new Both() }],
    });
    try {
      const ofOrders = app.context.get<CacheflowService>(getCacheflowToken('orders') as string, {
        strict: false,
      });
      await Promise.all([app.cacheflow.caughtUp(), ofOrders.caughtUp()]);
      loads.length = 0;
      for (const both of [app.context.get(Both), app.context.get<Both>('HANDMADE')]) {
        await both.get(2);
        await both.ofOrders(2);
      }
      expect(loads).toEqual(['default 2', 'orders 2']);
      expect(await stage.redis.exists('app:users:2', 'orders:v2:app:users:2')).toBe(2);
      expect(app.cacheflow.status().cache).toMatchObject({ hits: 1, misses: 1 });
      expect(ofOrders.status().cache).toMatchObject({ hits: 1, misses: 1 });
    } finally {
      await app.close();
    }
  });

  it('leaves the metadata of decorators above and below to those who look for it', async () => {
    const events: ChangeEvent[] = [];
    @Controller('users')
    class UsersController {
      @Get('below')
      @SetMetadata('roles', ['reader'])
      @Cached({ table: 'app.users' })
      async get(id: number): Promise<unknown> {
        return load('above', id);
      }
      @Cached({ table: 'app.users' })
      @SetMetadata('roles', ['writer'])
      @Get('above')
      async other(id: number): Promise<unknown> {
        return load('below', id);
      }
      @OnBinlog('app.users')
      @Cached({ key: (event: ChangeEvent) => `seen:${String(event.after?.['id'])}` })
      async onUser(event: ChangeEvent): Promise<string> {
        events.push(event);
        return 'above';
      }
      @Cached({ key: (event: ChangeEvent) => `seen:too:${String(event.after?.['id'])}` })
      @OnBinlog('app.users')
      async onUserToo(event: ChangeEvent): Promise<string> {
        events.push(event);
        return 'below';
      }
    }
    const app = await stage.app({ tables }, { controllers: [UsersController] });
    const { get, other } = UsersController.prototype;
    expect([get, other].map((method) => Reflect.getMetadata('roles', method) as unknown)).toEqual([
      ['reader'],
      ['writer'],
    ]);
    expect([get, other].map((method) => Reflect.getMetadata('path', method) as unknown)).toEqual([
      'below',
      'above',
    ]);
    await expectOneLoad('above', app.context.get(UsersController));
    await stage.sql.query("REPLACE INTO app.users VALUES (9, 'Ida')");
    await app.cacheflow.caughtUp();
    await waitFor(() => app.cacheflow.status().pendingHandlers === 0);
    expect(events).toHaveLength(2);
    expect(await stage.redis.mget('seen:9', 'seen:too:9')).toEqual(['"above"', '"below"']);
    await stage.sql.query('DELETE FROM app.users WHERE id = 9');
  });

  it('runs the method as it is where the class is made without Nest, or the app has no source', async () => {
    await expectPlain('Users', new Users());
    @Module({ providers: [Users] })
    class PlainModule {}
    await stage.app({ tables });
    const { NestFactory } = await import('@nestjs/core');
    const context = await NestFactory.createApplicationContext(PlainModule, { logger: false });
    await expectPlain('Users', context.get(Users));
    await context.close();
  });

  itOnOneServer('keeps two apps in one process apart', async () => {
    const first = await stage.app({ tables }, { providers: [Users] });
    const second = await stage.app(
      { tables, redis: { port: stage.redisServer.port, keyPrefix: 'second:' } },
      { providers: [Users] },
    );
    await expectOneLoad('Users', first.context.get(Users));
    expect(await stage.redis.exists('second:app:users:1')).toBe(0);
    loads.length = 0;
    await second.context.get(Users).get(1);
    await second.context.get(Users).get(1);
    expect(loads).toEqual(['Users 1']);
    for (const { cacheflow } of [first, second]) {
      expect(cacheflow.status().cache).toMatchObject({ hits: 1, misses: 1 });
    }
  });

  it('passes on what the method throws, and caches nothing of it', async () => {
    let times = 0;
    @Injectable()
    class Failing {
      @Cached({ table: 'app.users' })
      async get(_id: number): Promise<unknown> {
        times++;
        throw new RangeError(`time ${times}`);
      }
    }
    const { context, errors } = await stage.app({ tables }, { providers: [Failing] });
    const failing = context.get(Failing);
    await expect(failing.get(1)).rejects.toThrow(new RangeError('time 1'));
    await expect(failing.get(1)).rejects.toThrow(new RangeError('time 2'));
    expect(await stage.redis.keys('*app:users*')).toEqual([]);
    expect(errors).toEqual([]);
  });

  it('is for methods of instances', () => {
    const decorate = Cached({ table: 'app.users' }) as (...args: unknown[]) => void;
    class Mistaken {
      readonly property = 5;
      get getter(): number {
        return 5;
      }
      static async shared(): Promise<void> {}
    }
    const { prototype } = Mistaken;
    const descriptor = (target: object, name: string): unknown =>
      Object.getOwnPropertyDescriptor(target, name);
    expect(() => decorate(prototype, 'property', undefined)).toThrow(
      '@Cached is for methods, which Mistaken.property is not',
    );
    expect(() => decorate(prototype, 'getter', descriptor(prototype, 'getter'))).toThrow(
      '@Cached is for methods, which Mistaken.getter is not',
    );
    expect(() => decorate(Mistaken, 'shared', descriptor(Mistaken, 'shared'))).toThrow(
      '@Cached is for methods of instances, and Mistaken.shared is static',
    );
  });
});

describeEachSql('The options of @Cached at the start', { schema }, (stage) => {
  /** Every fault of one decorated method. */
  async function faultsOf(options: unknown, more: ModuleMetadata = {}): Promise<string[]> {
    class Repository {
      @Cached(options as CachedOptions<never[]>)
      async get(): Promise<void> {}
    }
    const { faults } = await refusedBoot(stage.options({ tables }), { providers: [Repository], ...more });
    return faultLines(faults);
  }

  it('refuse a table whose rows may share a key', async () => {
    await stage.sql.query('CREATE TABLE app.docs (tenant INT, id INT, PRIMARY KEY (tenant, id))');
    class Docs {
      @Cached({ table: 'app.docs' })
      async get(): Promise<void> {}
    }
    const options = stage.options({ tables: [{ db: 'app', table: 'docs' }] });
    const { faults } = await refusedBoot(options, { providers: [Docs] });
    expect(faultLines(faults)).toEqual([
      expect.stringMatching(/^@Cached on Docs.get: several rows of app.docs may have one key/),
    ]);
    await stage.sql.query('DROP TABLE app.docs');
  });

  const makeKey = (): string => 'k';
  const FIX = 'Correct the options of the decorator, or those of the table';

  it.each([
    [
      'a table that nobody watches',
      { table: 'app.invoices' },
      `No entry of \`tables\` matches app.invoices, so that nobody would invalidate its keys: add one, or correct the name (db.table) | ${FIX}`,
    ],
    [
      'a slip of a name',
      { table: 'app.user' },
      `No entry of \`tables\` matches app.user, so that nobody would invalidate its keys; did you mean app.users? | ${FIX}`,
    ],
    [
      'a table without its database',
      { table: 'users' },
      `No entry of \`tables\` matches users, so that nobody would invalidate its keys: add one, or correct the name (db.table) | ${FIX}`,
    ],
    [
      'a pattern',
      { table: 'shop.*' },
      'shop.* is a pattern: name one table, whose rows have the key | ' + FIX,
    ],
    [
      'several templates without `by`',
      { table: 'app.profiles' },
      `app.profiles has several keys or a key function: say with \`by\` which columns the arguments are | ${FIX}`,
    ],
    [
      'a key function without `by`',
      { table: 'app.sessions' },
      `app.sessions has several keys or a key function: say with \`by\` which columns the arguments are | ${FIX}`,
    ],
    [
      'columns of no template',
      { table: 'app.profiles', by: 'mail' },
      `A key of app.profiles is made of user_id or email, not of mail | ${FIX}`,
    ],
    [
      'columns other than those of the key',
      { table: 'app.users', by: ['name'] },
      `A key of app.users is made of id, not of name | ${FIX}`,
    ],
    ['no columns', { table: 'app.users', by: [] }, `A key of app.users is made of id | ${FIX}`],
    [
      'a source that there is not',
      { table: 'app.users', source: 'nope' },
      'it reads through a source "nope", which the app does not have | Set `source` to one of default',
    ],
    [
      'neither a table nor a key',
      {},
      "it names neither a table nor a key | Write e.g. { table: 'user.users' }",
    ],
    [
      'both',
      { table: 'app.users', key: makeKey },
      'it has to have either a `table` or a `key` function | Keep one of them',
    ],
    [
      'a key that is no function',
      { key: 'user:{id}' },
      'it has to have either a `table` or a `key` function | Keep one of them',
    ],
    [
      'a number that makes no sense',
      { table: 'app.users', ttlSeconds: 0 },
      `Option \`ttlSeconds\` of a read: it has to be a number above 0, or Infinity | ${FIX}`,
    ],
    [
      'an option that there is not',
      { key: makeKey, ttl: 5 },
      `Option \`ttl\` of a read: there is no such option; those of a read are ttlSeconds, negativeTtlSeconds, ttlJitter, leaseMillis, waitMillis, dependsOn, maxStalenessMillis, after, onUnknown | ${FIX}`,
    ],
    [
      'a tag that is none',
      { table: 'app.users', dependsOn: ['org:7'] },
      `Option \`dependsOn\` of a read: it has to be a list of tags, e.g. [tag('org', 7)] | ${FIX}`,
    ],
  ])('refuse %s', async (_title, options, line) => {
    expect(await faultsOf(options)).toEqual([`@Cached on Repository.get: ${line}`]);
  });

  it('are refused together, also those of routes, of request-scoped classes and of handmade instances', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class PerRequest {
      @Cached({ table: 'app.user' })
      async one(): Promise<void> {}
    }
    class Handmade {
      @Cached({ table: 'app.users' })
      async right(_id: number): Promise<void> {}
      @Cached({ table: 'app.users', by: 'name' })
      async wrong(_name: string): Promise<void> {}
    }
    @Controller()
    class Routes {
      @Get(':id')
      @CachedResponse({ table: 'app.profiles' })
      async get(): Promise<void> {}
    }
    const handmade = new Handmade();
    const providers: Provider[] = [
      PerRequest,
      { provide: 'HANDMADE', useFactory: () => handmade },
      { provide: 'AGAIN', useValue: handmade },
    ];
    const error = await refusedBoot(stage.options({ tables }), { providers, controllers: [Routes] });
    expect(error.faults.map(({ subject }) => subject).sort()).toEqual([
      '@Cached on Handmade.wrong',
      '@Cached on PerRequest.one',
      '@CachedResponse on Routes.get',
    ]);
  });

  it('are told of where a pattern matches the table, but it is not there', async () => {
    @Injectable()
    class Repository {
      @Cached({ table: 'shop.item' })
      async misspelt(_sku: string): Promise<void> {}
      @Cached({ table: 'shop.carts' })
      async later(_id: number): Promise<void> {}
      @Cached({ table: 'shop.items' })
      async right(_sku: string): Promise<void> {}
    }
    const { log } = await stage.app({ tables }, { providers: [Repository] });
    expect(log.filter((line) => line.includes('@Cached'))).toEqual([
      expect.stringContaining(
        '@Cached on Repository.misspelt: shop.item does not exist (there is shop.items); nothing is cached until it is created',
      ),
      expect.stringContaining(
        '@Cached on Repository.later: shop.carts does not exist; nothing is cached until it is created',
      ),
    ]);
  });

  it('are not refused for what is right', async () => {
    @Injectable()
    class Right {
      @Cached({ table: 'app.profiles', by: 'email' })
      async byMail(_email: string): Promise<void> {}
      @Cached({ table: 'app.profiles', row: (email: string) => ({ email }) })
      async byRow(_email: string): Promise<void> {}
      @Cached({ table: 'app.sessions', by: 'code', dependsOn: [tag('org', 7)] })
      async byCode(_code: string): Promise<void> {}
      @Cached({ table: 'shop.items', maxStalenessMillis: 5, onUnknown: 'serve' })
      async item(_sku: string): Promise<void> {}
      @Cached({ key: (id: number) => `k:${id}`, dependsOn: (id) => [tag('org', id)], ttlSeconds: Infinity })
      async own(_id: number): Promise<void> {}
    }
    const app = await stage.app({ tables }, { providers: [Right] });
    expect(app.cacheflow.status().state).toBe('streaming');
    expect(app.errors).toEqual([]);
  });
});
