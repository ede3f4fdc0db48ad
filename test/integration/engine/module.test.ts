import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import { Inject, Injectable, Module } from '@nestjs/common';
import type {
  DynamicModule,
  OnApplicationBootstrap,
  OnApplicationShutdown,
  OnModuleDestroy,
  OnModuleInit,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { expect, it } from 'vitest';
import { BinlogService, CacheflowModule, CacheflowService, StrategyService } from '../../../lib';
import type { CacheflowOptions, CacheflowOptionsFactory } from '../../../lib';
import { MemoryLogger, bootApp } from '../../support/app';
import type { Stage } from '../../support/each-sql';
import { describeEachSql } from '../../support/each-sql';
import { waitFor } from '../../support/wait-for';

const SCHEMA =
  'CREATE DATABASE user; CREATE TABLE user.users (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(50))';
const TABLES = [{ db: 'user', table: 'users' }];

/** Somebody else's configuration. */
@Injectable()
class Settings {
  readonly prefix = 'app:';
}
@Module({ providers: [Settings], exports: [Settings] })
class SettingsModule {}

describeEachSql('CacheflowModule', { schema: SCHEMA }, (stage: Stage) => {
  const options = (): CacheflowOptions => stage.options({ tables: TABLES });

  /** Whether a change makes its way through the module. */
  async function expectToWork(imports: DynamicModule[], prefix = ''): Promise<void> {
    const app = await bootApp({ imports });
    await app.cacheflow.caughtUp();
    await stage.cache(`${prefix}user:users:1`);
    // A row that stays the same would be no change.
    await stage.sql.query('REPLACE INTO user.users VALUES (1, ?)', [randomUUID()]);
    await app.cacheflow.caughtUp();
    await app.close();
    expect(await stage.redis.exists(`${prefix}user:users:1`)).toBe(0);
    expect(app.errors).toEqual([]);
  }

  it('takes its options by forRoot', async () => {
    await expectToWork([CacheflowModule.forRoot(options())]);
  });

  it('takes its options from a factory with dependencies', async () => {
    const useFactory = async (settings: Settings): Promise<CacheflowOptions> => ({
      ...options(),
      tables: [{ db: 'user', table: 'users', prefix: settings.prefix }],
    });
    await expectToWork(
      [CacheflowModule.forRootAsync({ imports: [SettingsModule], inject: [Settings], useFactory })],
      'app:',
    );
  });

  it('takes its options from a class', async () => {
    @Injectable()
    class Factory implements CacheflowOptionsFactory {
      constructor(@Inject(Settings) private readonly settings: Settings) {}
      createCacheflowOptions(): CacheflowOptions {
        return { ...options(), tables: [{ db: 'user', table: 'users', prefix: this.settings.prefix }] };
      }
    }
    await expectToWork(
      [CacheflowModule.forRootAsync({ imports: [SettingsModule], useClass: Factory })],
      'app:',
    );
  });

  it('takes its options from a provider that exists', async () => {
    let made = 0;
    @Injectable()
    class Factory implements CacheflowOptionsFactory {
      constructor() {
        made++;
      }
      async createCacheflowOptions(): Promise<CacheflowOptions> {
        return options();
      }
    }
    @Module({ providers: [Factory], exports: [Factory] })
    class FactoryModule {}
    await expectToWork([CacheflowModule.forRootAsync({ imports: [FactoryModule], useExisting: Factory })]);
    expect(made).toBe(1);
  });

  it('can be injected everywhere when it is global, which is the default', async () => {
    @Injectable()
    class Feature {
      constructor(
        @Inject(CacheflowService) readonly cacheflow: CacheflowService,
        @Inject(BinlogService) readonly binlog: BinlogService,
        @Inject(StrategyService) readonly strategy: StrategyService,
      ) {}
    }
    @Module({ providers: [Feature] })
    class FeatureModule {}
    for (const isGlobal of [undefined, true]) {
      const module = CacheflowModule.forRoot({ ...options(), isGlobal });
      const app = await bootApp({ imports: [FeatureModule, module] });
      expect(app.context.get(Feature, { strict: false }).cacheflow).toBe(app.cacheflow);
      await app.close();
    }
  });

  it('can be injected only where it is imported when it is not global', async () => {
    @Injectable()
    class Feature {
      constructor(@Inject(CacheflowService) readonly cacheflow: CacheflowService) {}
    }
    @Module({ providers: [Feature] })
    class FeatureModule {}
    const local = CacheflowModule.forRoot({ ...options(), isGlobal: false });
    const localAsync = CacheflowModule.forRootAsync({ isGlobal: false, useFactory: options });
    for (const module of [local, localAsync]) {
      await expect(bootApp({ imports: [FeatureModule, module] })).rejects.toThrow(
        /can't resolve dependencies of the Feature/,
      );
      const importing = { module: FeatureModule, imports: [module] };
      const app = await bootApp({ imports: [importing, module] });
      expect(app.context.get(Feature, { strict: false }).cacheflow).toBe(app.cacheflow);
      await app.close();
    }
  });

  it('runs in a testing module, from init() to close()', async () => {
    const module = await Test.createTestingModule({ imports: [CacheflowModule.forRoot(options())] })
      .setLogger(new MemoryLogger())
      .compile();
    const cacheflow = module.get(CacheflowService);
    expect(cacheflow.status().state).toBe('idle');
    await module.init();
    await cacheflow.caughtUp();
    expect(cacheflow.status().state).toBe('streaming');
    await module.close();
    expect(cacheflow.status().state).toBe('stopped');
  });

  it('can be replaced in a testing module', async () => {
    const fake = { status: () => ({ state: 'fake' }) };
    const module = await Test.createTestingModule({ imports: [CacheflowModule.forRoot(options())] })
      .overrideProvider(CacheflowService)
      .useValue(fake)
      .compile();
    expect(module.get(CacheflowService).status()).toEqual({ state: 'fake' });
    await module.close();
  });

  it('answers siblings in each of their own hooks, whatever the order', async () => {
    const states: string[] = [];
    @Injectable()
    class Sibling implements OnModuleInit, OnApplicationBootstrap, OnModuleDestroy, OnApplicationShutdown {
      constructor(@Inject(CacheflowService) private readonly cacheflow: CacheflowService) {
        this.ask('constructor');
        cacheflow.events$.subscribe();
        cacheflow.errors$.subscribe();
      }
      async onModuleInit(): Promise<void> {
        this.ask('onModuleInit');
      }
      onApplicationBootstrap(): void {
        this.ask('onApplicationBootstrap');
      }
      async onModuleDestroy(): Promise<void> {
        this.ask('onModuleDestroy');
      }
      onApplicationShutdown(): void {
        this.ask('onApplicationShutdown');
      }
      private ask(hook: string): void {
        const { state, counters, lag } = this.cacheflow.status();
        states.push(`${hook} ${state} ${counters.errors} ${lag.millis}`);
      }
    }
    @Module({ providers: [Sibling] })
    class Below {}
    // Modules far from the root and near it have their hooks called at different times.
    for (const imports of [
      [CacheflowModule.forRoot(options()), Below],
      [Below, CacheflowModule.forRoot(options())],
      [{ module: Below, imports: [CacheflowModule.forRoot({ ...options(), isGlobal: false })] }],
    ]) {
      states.length = 0;
      const app = await bootApp({ imports: [...imports] });
      await app.cacheflow.caughtUp();
      await app.close();
      expect(states).toEqual([
        'constructor idle 0 0',
        expect.stringMatching(/^onModuleInit idle 0 0$/),
        expect.stringMatching(/^onApplicationBootstrap (idle|connecting|streaming) 0 0$/),
        expect.stringMatching(/^onModuleDestroy (streaming|stopped) 0 0$/),
        'onApplicationShutdown stopped 0 0',
      ]);
    }
  });

  it('lets siblings wait in their hooks without hanging', async () => {
    const outcomes: string[] = [];
    @Injectable()
    class Sibling implements OnModuleInit, OnApplicationBootstrap, OnModuleDestroy {
      constructor(@Inject(CacheflowService) private readonly cacheflow: CacheflowService) {}
      async onModuleInit(): Promise<void> {
        await this.wait();
      }
      async onApplicationBootstrap(): Promise<void> {
        await this.wait();
      }
      async onModuleDestroy(): Promise<void> {
        await this.wait();
      }
      private async wait(): Promise<void> {
        const outcome = this.cacheflow.caughtUp({ timeoutMillis: 200 });
        outcomes.push(
          await outcome.then(
            () => 'caught up',
            (error: Error) => error.name,
          ),
        );
      }
    }
    const app = await bootApp({ imports: [CacheflowModule.forRoot(options())], providers: [Sibling] });
    await app.close();
    expect(outcomes).toHaveLength(3);
    expect(
      outcomes.every((each) => /^(caught up|CacheflowStoppedError|CaughtUpTimeoutError)$/.test(each)),
    ).toBe(true);
    expect(outcomes.at(-1)).not.toBe('CaughtUpTimeoutError');
  });

  it('closes before it was bootstrapped, before it was initialised, and twice', async () => {
    const module = Test.createTestingModule({ imports: [CacheflowModule.forRoot(options())] }).setLogger(
      new MemoryLogger(),
    );
    const compiled = await module.compile();
    await compiled.get(BinlogService).onModuleDestroy();
    expect(compiled.get(CacheflowService).status().state).toBe('idle');

    const binlog = (await module.compile()).get(BinlogService);
    await binlog.onModuleInit();
    await binlog.onModuleDestroy();
    expect(binlog.status().state).toBe('stopped');

    const app = await bootApp({ imports: [CacheflowModule.forRoot(options())] });
    await app.cacheflow.caughtUp();
    await Promise.all([app.close(), app.close()]);
    await app.close();
    expect(app.log.filter((line) => line.includes('cut short'))).toEqual([]);
    expect(app.errors).toEqual([]);
  });

  it('leaves nothing open when the start fails', async () => {
    const logger = new MemoryLogger();
    const connected = async (): Promise<number> => {
      const [row] = await stage.sql.query<{ count: number }>(
        'SELECT COUNT(*) AS count FROM INFORMATION_SCHEMA.PROCESSLIST WHERE ID <> CONNECTION_ID() AND HOST LIKE "127.0.0.1%" OR HOST LIKE "localhost:%"',
      );
      const clients = String(await stage.redis.client('LIST'))
        .trim()
        .split('\n').length;
      return Number(row?.count) + clients;
    };
    const before = await connected();
    const wrong = { ...options(), tables: [{ db: 'user', table: 'users', keyFields: ['nope'] }] };
    const module = CacheflowModule.forRoot(wrong);
    @Module({ imports: [module] })
    class AppModule {}
    await expect(
      NestFactory.createApplicationContext(AppModule, { logger, abortOnError: false }),
    ).rejects.toThrow('no column `nope`');
    await waitFor(async () => (await connected()) <= before, { message: 'the connections to be closed' });
    expect(await connected()).toBeLessThanOrEqual(before);
  });
});
