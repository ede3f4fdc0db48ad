import {
  All,
  Controller,
  Get,
  HttpCode,
  HttpException,
  Inject,
  Injectable,
  NotFoundException,
  Param,
  ParseIntPipe,
  Post,
  Query,
  Res,
  SetMetadata,
  StreamableFile,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import type { CanActivate, ExecutionContext, INestApplication, ModuleMetadata, Type } from '@nestjs/common';
import { APP_INTERCEPTOR, NestFactory } from '@nestjs/core';
import type { ServerResponse } from 'node:http';
import { afterEach, expect, it } from 'vitest';
import {
  CacheflowInterceptor,
  CacheflowModule,
  CacheflowService,
  Cached,
  CachedResponse,
  tag,
} from '../../../lib';
import type { CacheflowError, DependencyChange } from '../../../lib';
import { MemoryLogger } from '../../support/app';
import { describeEachSql } from '../../support/each-sql';
import { waitFor } from '../../support/wait-for';

const schema = `
  CREATE DATABASE app;
  CREATE TABLE app.users (id INT PRIMARY KEY, name VARCHAR(50), org INT);
  CREATE TABLE app.seats (org INT, number INT, taken INT, PRIMARY KEY (org, number));
  INSERT INTO app.users VALUES (1, 'Ann', 7), (2, 'Bea', 7); INSERT INTO app.seats VALUES (7, 1, 0);`;

const tables = [
  {
    db: 'app',
    table: 'users',
    match: tag('org', '*'),
    invalidates: ({ after }: DependencyChange<{ org: number }>) => [tag('org', after.org)],
  },
  { db: 'app', table: 'seats' },
];

interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly headers: Headers;
}

describeEachSql('CacheflowInterceptor', { schema }, (stage) => {
  const apps: INestApplication[] = [];
  const calls: string[] = [];

  afterEach(async () => {
    for (const app of apps.splice(0)) await app.close();
    calls.length = 0;
    await stage.sql.query("REPLACE INTO app.users VALUES (1, 'Ann', 7); UPDATE app.seats SET taken = 0");
  });

  async function serve(controller: Type, more: ModuleMetadata = {}) {
    class TestModule {}
    const module = {
      module: TestModule,
      ...more,
      imports: [CacheflowModule.forRoot(stage.options({ tables }))],
      controllers: [controller],
    };
    const logger = new MemoryLogger();
    const app = await NestFactory.create(module, { logger, abortOnError: false });
    apps.push(app);
    const cacheflow = app.get(CacheflowService);
    const errors: CacheflowError[] = [];
    cacheflow.errors$.subscribe((error) => errors.push(error));
    await app.listen(0, '127.0.0.1');
    await cacheflow.caughtUp();
    const url = await app.getUrl();
    const ask = async (path: string, init?: RequestInit): Promise<Answer> => {
      const response = await fetch(url + path, { signal: AbortSignal.timeout(10_000), ...init });
      const text = await response.text();
      const isJson = text !== '' && response.headers.get('content-type')?.includes('json');
      return {
        status: response.status,
        body: isJson ? (JSON.parse(text) as unknown) : text,
        headers: response.headers,
      };
    };
    return { ask, cacheflow, errors, log: logger.lines };
  }

  async function user(id: number | string): Promise<unknown> {
    calls.push(`user ${id}`);
    return (await stage.sql.query('SELECT * FROM app.users WHERE id = ?', [id]))[0] ?? null;
  }

  it('serves the row of a table until it changes, by the parameters of the route', async () => {
    @Controller('users')
    @UseInterceptors(CacheflowInterceptor)
    class Users {
      @Get(':id')
      @CachedResponse({ table: 'app.users' })
      async get(@Param('id', ParseIntPipe) id: number): Promise<unknown> {
        return user(id);
      }
    }
    const { ask, cacheflow, errors } = await serve(Users);
    const ann = { id: 1, name: 'Ann', org: 7 };
    for (let time = 0; time < 2; time++) {
      expect(await ask('/users/1')).toMatchObject({ status: 200, body: ann });
    }
    expect(calls).toEqual(['user 1']);
    expect(JSON.parse((await stage.redis.get('app:users:1')) ?? '')).toEqual(ann);
    await stage.sql.query("UPDATE app.users SET name = 'Amy' WHERE id = 1");
    await cacheflow.caughtUp();
    expect((await ask('/users/1')).body).toEqual({ ...ann, name: 'Amy' });
    expect((await ask('/users/2')).body).toMatchObject({ name: 'Bea' });
    expect(calls).toEqual(['user 1', 'user 1', 'user 2']);
    expect(cacheflow.status().cache).toMatchObject({ hits: 1, misses: 3, fills: 3 });
    expect(errors).toEqual([]);
  });

  it('goes with a handler that reads the same row through the cache, and has its own word for none', async () => {
    @Injectable()
    class Repository {
      @Cached({ table: 'app.users' })
      async find(id: number): Promise<unknown> {
        return user(id);
      }
    }
    @Controller('users')
    @UseInterceptors(CacheflowInterceptor)
    class Users {
      constructor(@Inject(Repository) private readonly repository: Repository) {}
      @Get(':id')
      @CachedResponse({ table: 'app.users' })
      async get(@Param('id', ParseIntPipe) id: number): Promise<unknown> {
        const found = await this.repository.find(id);
        if (found === null) throw new NotFoundException(`no ${id}`);
        return found;
      }
    }
    const { ask, cacheflow } = await serve(Users, { providers: [Repository] });
    const began = performance.now();
    for (let time = 0; time < 2; time++) expect((await ask('/users/1')).body).toMatchObject({ name: 'Ann' });
    // Neither waits for the other.
    expect(performance.now() - began).toBeLessThan(400);
    expect(calls).toEqual(['user 1']);
    expect(cacheflow.status().cache.hits).toBe(1);
    await cacheflow.getOrLoad(cacheflow.keyOf('app.users', { id: 99 }), () => user(99));
    for (let time = 0; time < 2; time++) {
      expect(await ask('/users/99')).toMatchObject({ status: 404, body: { message: 'no 99' } });
    }
  });

  it('does not cache a row that was asked for by another text than its key has', async () => {
    @Controller('users')
    @UseInterceptors(CacheflowInterceptor)
    class Users {
      @Get(':id')
      @CachedResponse({ table: 'app.users' })
      async get(@Param('id') id: string): Promise<unknown> {
        return user(id);
      }
    }
    const { ask, errors } = await serve(Users);
    for (let time = 0; time < 2; time++)
      expect((await ask('/users/001')).body).toMatchObject({ name: 'Ann' });
    expect(calls).toHaveLength(2);
    expect(errors.map(({ code }) => code)).toEqual(['CACHEFLOW_VALUE_UNFIT']);
  });

  it('makes the columns of a key of parameters in any order, or with `row` and `by`', async () => {
    const seat = async (org: string, number: string): Promise<unknown> => {
      calls.push(`seat ${org} ${number}`);
      return (
        await stage.sql.query('SELECT * FROM app.seats WHERE org = ? AND number = ?', [org, number])
      )[0];
    };
    @Controller('seats')
    @UseInterceptors(CacheflowInterceptor)
    class Seats {
      @Get('of/:number/:org')
      @CachedResponse({ table: 'app.seats' })
      async get(@Param('org') org: string, @Param('number') number: string): Promise<unknown> {
        return seat(org, number);
      }
      @Get('by/:org/:number')
      @CachedResponse({ table: 'app.seats', by: ['number', 'org'] })
      async by(@Param('org') org: string, @Param('number') number: string): Promise<unknown> {
        return seat(org, number);
      }
      @Get('find')
      @CachedResponse({
        table: 'app.seats',
        row: ({ query }) => ({ org: query['o'], number: query['n'] }),
      })
      async row(@Query('o') org: string, @Query('n') number: string): Promise<unknown> {
        return seat(org, number);
      }
    }
    const { ask, cacheflow } = await serve(Seats);
    const paths = ['/seats/of/1/7', '/seats/by/7/1', '/seats/find?o=7&n=1'];
    for (const path of paths) expect((await ask(path)).body).toEqual({ org: 7, number: 1, taken: 0 });
    expect(calls).toEqual(['seat 7 1']);
    await stage.sql.query('UPDATE app.seats SET taken = 1');
    await cacheflow.caughtUp();
    for (const path of paths) expect((await ask(path)).body).toEqual({ org: 7, number: 1, taken: 1 });
    expect(calls).toHaveLength(2);
    // Nobody has a key without a value.
    await ask('/seats/find?o=7');
    await ask('/seats/find?o=7');
    expect(calls).toHaveLength(4);
  });

  it('says which column the route has no parameter for', async () => {
    @Controller('users')
    @UseInterceptors(CacheflowInterceptor)
    class Users {
      @Get(':userId')
      @CachedResponse({ table: 'app.users' })
      async get(@Param('userId') id: string): Promise<unknown> {
        return user(id);
      }
    }
    const { ask, log } = await serve(Users);
    expect((await ask('/users/1')).status).toBe(500);
    expect(calls).toEqual([]);
    expect(log.join('\n')).toContain(
      'The key of app.users is made of id, and the route has no parameter id: name its parameters like the columns, ' +
        'or make these of the request with `row`',
    );
  });

  it('takes a key and tags of the request', async () => {
    @Controller('orgs')
    @UseInterceptors(CacheflowInterceptor)
    class Orgs {
      @Get(':id/members')
      @CachedResponse({
        key: ({ params, query, headers, method, url }) =>
          [method, url, `org:${params['id']}:page:${String(query['page'])}`, headers['x-lang']].join(' '),
        dependsOn: ({ params }) => [tag('org', params['id'] ?? '')],
      })
      async members(@Param('id') id: string): Promise<unknown> {
        calls.push(`members ${id}`);
        return stage.sql.query('SELECT name FROM app.users WHERE org = ? ORDER BY id', [id]);
      }
    }
    const { ask, cacheflow } = await serve(Orgs);
    const path = '/orgs/7/members?page=2';
    const ofLanguage = (lang: string): RequestInit => ({ headers: { 'x-lang': lang } });
    for (let time = 0; time < 2; time++) {
      expect((await ask(path, ofLanguage('de'))).body).toEqual([{ name: 'Ann' }, { name: 'Bea' }]);
    }
    expect(calls).toHaveLength(1);
    expect(await stage.redis.exists(`GET ${path} org:7:page:2 de`)).toBe(1);
    await ask(path, ofLanguage('en'));
    await ask('/orgs/8/members?page=2', ofLanguage('en'));
    expect(calls).toEqual(['members 7', 'members 7', 'members 8']);
    await stage.sql.query("UPDATE app.users SET name = 'Amy' WHERE id = 1");
    await cacheflow.caughtUp();
    expect((await ask(path, ofLanguage('de'))).body).toEqual([{ name: 'Amy' }, { name: 'Bea' }]);
    await ask('/orgs/8/members?page=2', ofLanguage('en'));
    expect(calls).toEqual(['members 7', 'members 7', 'members 8', 'members 7']);
  });

  it('is refused for a route that takes no GET', async () => {
    @Controller('users')
    class Users {
      @Post(':id')
      @CachedResponse({ table: 'app.users' })
      async post(): Promise<void> {}
    }
    await expect(serve(Users)).rejects.toThrow('@CachedResponse on Users.post: only responses of GET routes');
  });

  it('caches neither other methods than GET, nor what a handler throws', async () => {
    let isBroken = true;
    @Controller('users')
    @UseInterceptors(CacheflowInterceptor)
    class Users {
      @All('any/:id')
      @HttpCode(202)
      @CachedResponse({ table: 'app.users' })
      async post(@Param('id') id: string): Promise<unknown> {
        return user(id);
      }
      @Get(':id')
      @CachedResponse({ table: 'app.users' })
      async get(@Param('id') id: string): Promise<unknown> {
        calls.push(`get ${id}`);
        if (isBroken) throw new HttpException({ reason: 'not now' }, 409);
        return { id: 1, ok: true };
      }
    }
    const { ask, cacheflow } = await serve(Users);
    for (let time = 0; time < 2; time++)
      expect((await ask('/users/any/1', { method: 'POST' })).status).toBe(202);
    expect(calls).toEqual(['user 1', 'user 1']);
    expect(await stage.redis.exists('app:users:1')).toBe(0);
    for (let time = 0; time < 2; time++) {
      expect(await ask('/users/1')).toMatchObject({ status: 409, body: { reason: 'not now' } });
    }
    expect(calls.slice(2)).toEqual(['get 1', 'get 1']);
    expect(await stage.redis.keys('*app:users*')).toEqual([]);
    isBroken = false;
    for (let time = 0; time < 2; time++) expect((await ask('/users/1')).body).toEqual({ id: 1, ok: true });
    expect(calls).toHaveLength(5);
    expect((await ask('/users/1', { method: 'HEAD' })).status).toBe(200);
    expect(calls).toHaveLength(6);
    expect(cacheflow.status().cache.fills).toBe(1);
  });

  it('caches no files, and nothing of handlers that send by themselves, also of requests at the same time', async () => {
    let waiting = 0;
    @Controller('users')
    @UseInterceptors(CacheflowInterceptor)
    class Users {
      @Get(':id/file')
      @CachedResponse({ table: 'app.users' })
      async file(@Param('id') id: string): Promise<StreamableFile> {
        calls.push(`file ${id}`);
        return new StreamableFile(Buffer.from(`file of ${id}`));
      }
      @Get(':id/sent')
      @CachedResponse({ table: 'app.users' })
      async sent(@Param('id') id: string, @Res() response: ServerResponse): Promise<void> {
        calls.push(`sent ${id}`);
        response.end(`sent for ${id}`);
      }
      @Get(':id/nothing')
      @CachedResponse({ table: 'app.users' })
      async nothing(@Param('id') id: string): Promise<void> {
        calls.push(`nothing ${id}`);
      }
    }
    class Together implements CanActivate {
      /** Lets requests through once all are there. */
      async canActivate(): Promise<boolean> {
        waiting++;
        await waitFor(() => waiting % 5 === 0);
        return true;
      }
    }
    UseGuards(Together)(Users);
    const { ask, errors } = await serve(Users);
    for (const [path, body] of [
      ['/users/1/file', 'file of 1'],
      ['/users/1/sent', 'sent for 1'],
      ['/users/1/nothing', ''],
    ] as const) {
      const answers = await Promise.all(Array.from({ length: 5 }, () => ask(path)));
      expect(answers.map((answer) => [answer.status, answer.body])).toEqual(
        Array.from({ length: 5 }, () => [200, body]),
      );
    }
    expect(calls.sort()).toEqual(
      ['file 1', 'nothing 1', 'sent 1'].flatMap((call) => Array.from({ length: 5 }, () => call)),
    );
    expect(await stage.redis.keys('*app:users*')).toEqual([]);
    expect(errors).toEqual([]);
  });

  it('can be bound to the whole app, and lets routes without the decorator alone', async () => {
    @Controller('users')
    class Users {
      @Get('cached/:id')
      @CachedResponse({ table: 'app.users' })
      async cached(@Param('id') id: string): Promise<unknown> {
        return user(id);
      }
      @Get('plain/:id')
      async plain(@Param('id') id: string): Promise<unknown> {
        return user(`plain ${id}`.replace('plain ', ''));
      }
    }
    const { ask } = await serve(Users, {
      providers: [{ provide: APP_INTERCEPTOR, useClass: CacheflowInterceptor }],
    });
    for (let time = 0; time < 2; time++) expect((await ask('/users/plain/1')).body).toMatchObject({ id: 1 });
    expect(calls).toHaveLength(2);
    expect(await stage.redis.keys('*app:users*')).toEqual([]);
    for (let time = 0; time < 2; time++) expect((await ask('/users/cached/1')).body).toMatchObject({ id: 1 });
    expect(calls).toHaveLength(3);
  });

  it('lets guards decide on each request, and pipes only on a miss', async () => {
    let isAllowed = true;
    let guarded = 0;
    @Injectable()
    class Guard implements CanActivate {
      canActivate(context: ExecutionContext): boolean {
        guarded++;
        expect(Reflect.getMetadata('role', context.getHandler())).toBe('reader');
        return isAllowed;
      }
    }
    @Controller('users')
    @UseGuards(Guard)
    @UseInterceptors(CacheflowInterceptor)
    class Users {
      @Get(':id')
      @SetMetadata('role', 'reader')
      @CachedResponse({ table: 'app.users' })
      async get(@Param('id', ParseIntPipe) id: number): Promise<unknown> {
        return user(id);
      }
    }
    const { ask } = await serve(Users);
    for (let time = 0; time < 2; time++) expect((await ask('/users/1')).status).toBe(200);
    isAllowed = false;
    expect((await ask('/users/1')).status).toBe(403);
    expect(guarded).toBe(3);
    expect(calls).toEqual(['user 1']);
    isAllowed = true;
    expect((await ask('/users/x1')).status).toBe(400);
    expect(await stage.redis.exists('app:users:x1')).toBe(0);
  });

  it('stands beside @Cached on the method of a route', async () => {
    @Controller('users')
    class Users {
      @Get('above/:id')
      @Cached({ table: 'app.users' })
      async above(@Param('id', ParseIntPipe) id: number): Promise<unknown> {
        return user(id);
      }
      @Cached({ key: (id: number) => `below:${id}` })
      @Get('below/:id')
      @CachedResponse({ table: 'app.users' })
      @UseInterceptors(CacheflowInterceptor)
      async below(@Param('id', ParseIntPipe) id: number): Promise<unknown> {
        return user(id);
      }
    }
    const { ask } = await serve(Users);
    for (let time = 0; time < 2; time++) expect((await ask('/users/above/1')).body).toMatchObject({ id: 1 });
    for (let time = 0; time < 2; time++) expect((await ask('/users/below/2')).body).toMatchObject({ id: 2 });
    expect(calls).toEqual(['user 1', 'user 2']);
    expect(await stage.redis.exists('app:users:1', 'app:users:2', 'below:2')).toBe(3);
  });

  it('answers without Redis', async () => {
    @Controller('users')
    @UseInterceptors(CacheflowInterceptor)
    class Users {
      @Get(':id')
      @CachedResponse({ table: 'app.users' })
      async get(@Param('id') id: string): Promise<unknown> {
        return user(id);
      }
    }
    const { ask, errors } = await serve(Users);
    // Redis refuses to read it as text.
    await stage.redis.lpush('app:users:1', 'no text');
    expect(await ask('/users/1')).toMatchObject({ status: 200, body: { name: 'Ann' } });
    expect(errors.map(({ code }) => code)).toContain('CACHEFLOW_CACHE_BYPASSED');
  });
});
