import { expectTypeOf } from 'expect-type';
import { expect, it } from 'vitest';
import { Cached, CachedResponse, tag } from '../../lib';
import type {
  CacheTag,
  CachedRequest,
  CacheflowService,
  DependencyChange,
  InvalidatesFunction,
  ReadOptions,
  TableOptions,
} from '../../lib';

interface User {
  id: number;
  name: string;
}

interface UserKey {
  id: number;
}

// TypeScript takes an alias here, not an interface, which has no index signature.
type Order = { user_id: number; org_id: number };

/** Calls nothing: what is inside is only compiled. */
function onlyCompiled(_body: (cacheflow: CacheflowService) => void): void {}

it('@Cached goes on methods that give a promise, whatever they take', () => {
  class Repository {
    @Cached({ table: 'user.users' })
    async one(id: number): Promise<User | null> {
      return { id, name: '' };
    }
    @Cached({
      table: 'user.users',
      by: ['id', 'name'],
      ttlSeconds: 5,
      dependsOn: [tag('org', 7)],
      source: 'x',
    })
    async two(_id: number, _name: string, _more?: object): Promise<void> {}
    @Cached({ table: 'user.users' })
    async ofRow(_key: UserKey): Promise<void> {}
    @Cached({ table: 'user.users' })
    async generic<T>(_id: number): Promise<T[]> {
      return [];
    }

    // @ts-expect-error what is read through the cache comes later
    @Cached({ table: 'user.users' })
    sync(id: number): User {
      return { id, name: '' };
    }
    // @ts-expect-error not even nothing comes at once
    @Cached({ table: 'user.users' })
    nothing(_id: number): void {}
    // @ts-expect-error it has to be said what the key is
    @Cached({ ttlSeconds: 5 })
    async unsaid(_id: number): Promise<void> {}
    // @ts-expect-error there is no such option
    @Cached({ table: 'user.users', ttl: 5 })
    async misspelt(_id: number): Promise<void> {}
    // @ts-expect-error a tag is made by tag()
    @Cached({ table: 'user.users', dependsOn: ['org:7'] })
    async untagged(_id: number): Promise<void> {}
    // @ts-expect-error a column is text
    @Cached({ table: 'user.users', by: 1 })
    async numbered(_id: number): Promise<void> {}
  }
  expect(new Repository()).toBeInstanceOf(Repository);
});

it('functions of @Cached say which arguments the method takes', () => {
  class Repository {
    @Cached({ table: 'user.users', row: (key: UserKey, _lang?: string) => key })
    async byRow(_key: UserKey, _lang?: string): Promise<void> {}
    @Cached({
      key: (org: number, page: string) => `${org}:${page}`,
      dependsOn: (org, page) => {
        expectTypeOf(org).toEqualTypeOf<number>();
        expectTypeOf(page).toEqualTypeOf<string>();
        return [tag('org', org)];
      },
    })
    async byKey(_org: number, _page: string): Promise<void> {}
    @Cached({ key: (org: number) => `org:${org}` })
    async withMore(_org: number, _more?: string): Promise<void> {}
    @Cached({ key: (org: number | string) => `org:${org}` })
    async narrower(_org: number | string): Promise<void> {}

    // @ts-expect-error the key is made of a number
    @Cached({ key: (org: number) => `org:${org}` })
    async other(_org: string): Promise<void> {}
    // @ts-expect-error the method needs an argument that the key does not know of
    @Cached({ key: (org: number) => `org:${org}` })
    async needsMore(_org: number, _more: string): Promise<void> {}
    // @ts-expect-error the row is made of a number
    @Cached({ table: 'user.users', row: (id: number) => ({ id }) })
    async ofText(_id: string): Promise<void> {}
  }
  onlyCompiled(() => {
    // @ts-expect-error a key is text
    Cached({ key: (id: number) => id });
    // @ts-expect-error a key is made at once
    Cached({ key: async (id: number) => `${id}` });
    // @ts-expect-error a row is an object
    Cached({ table: 'user.users', row: (id: number) => id });
    // @ts-expect-error tags are a list of what tag() makes
    Cached({ key: () => 'k', dependsOn: () => ['org'] });
  });
  expect(new Repository()).toBeInstanceOf(Repository);
});

it('@CachedResponse makes keys of the request', () => {
  onlyCompiled(() => {
    CachedResponse({ table: 'user.users', by: 'id' });
    CachedResponse({
      table: 'user.users',
      row: ({ params, query }) => ({ id: params['id'], page: query['page'] }),
    });
    CachedResponse({
      key: (request) => {
        expectTypeOf(request).toEqualTypeOf<CachedRequest>();
        return request.url;
      },
      dependsOn: ({ params }) => [tag('org', params['id'])],
    });
    // @ts-expect-error there is nothing but the request
    CachedResponse({ key: (id: number) => `${id}` });
    // @ts-expect-error it has to be said what the key is
    CachedResponse({});
  });
  expectTypeOf<CachedRequest['params']>().toEqualTypeOf<Readonly<Record<string, string>>>();
  expect(true).toBe(true);
});

it('the service takes and gives interfaces', () => {
  onlyCompiled((cacheflow) => {
    const user: User = { id: 1, name: '' };
    const key: UserKey = user;
    expectTypeOf(cacheflow.keyOf('user.users', user)).toEqualTypeOf<string>();
    cacheflow.keyOf('user.users', key);
    cacheflow.keyOf('user.users', { id: 1n });
    // @ts-expect-error a row is an object
    cacheflow.keyOf('user.users', 1);

    expectTypeOf(cacheflow.getOrLoad('k', async () => user)).resolves.toEqualTypeOf<User>();
    expectTypeOf(cacheflow.getOrLoad('k', () => user)).resolves.toEqualTypeOf<User>();
    const maybe = async (): Promise<User | null> => null;
    expectTypeOf(cacheflow.getOrLoad('k', maybe, { ttlSeconds: 5 })).resolves.toEqualTypeOf<User | null>();
    expectTypeOf(cacheflow.getOrLoad<User>('k', async () => user)).resolves.toEqualTypeOf<User>();
    // @ts-expect-error there is no such option
    void cacheflow.getOrLoad('k', maybe, { ttl: 5 });
    // @ts-expect-error the loader has to be a function
    void cacheflow.getOrLoad('k', user);

    const many = cacheflow.getManyOrLoad(['a', 'b'], async (keys, indexes) => {
      expectTypeOf(keys).toEqualTypeOf<readonly string[]>();
      expectTypeOf(indexes).toEqualTypeOf<readonly number[]>();
      return keys.map((): User | null => user);
    });
    expectTypeOf(many).resolves.toEqualTypeOf<(User | null)[]>();
    // @ts-expect-error the loader gives a list
    void cacheflow.getManyOrLoad<User>(['a'], async () => user);

    expectTypeOf(cacheflow.invalidate('a', tag('org', 7))).resolves.toEqualTypeOf<void>();
  });
  expectTypeOf<ReadOptions['dependsOn']>().toEqualTypeOf<readonly CacheTag[] | undefined>();
  expect(true).toBe(true);
});

it('invalidates may be typed, and need not be', () => {
  const typed = (change: DependencyChange<Order>): string[] => [
    'user:' + change.after.user_id + ':orders',
    tag('org', change.after.org_id),
  ];
  const table: TableOptions = {
    db: 'shop',
    table: 'orders',
    match: ['user:*:orders', tag('org', '*')],
    invalidates: typed,
  };
  const makers: InvalidatesFunction[] = [
    typed,
    (change) => ['user:' + change.after['user_id'] + ':orders', tag('org', change.after['org_id'])],
    ({ before, after }) => (before?.['a'] === after['a'] ? null : []),
    () => undefined,
  ];
  makers.push(() => 'key');
  // @ts-expect-error it gives keys
  makers.push(() => 7);
  // @ts-expect-error it is asked at once
  makers.push(async () => []);
  // @ts-expect-error there is always an image that is asked about
  expectTypeOf<DependencyChange['after']>().toBeNullable();
  expectTypeOf<DependencyChange<Order>['before']>().toEqualTypeOf<Order | null>();
  expect(table.invalidates).toBe(typed);
  expect(makers).toHaveLength(7);
});
