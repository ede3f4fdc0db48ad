import { ConfigurableModuleBuilder } from '@nestjs/common';
import { DEFAULT_NAME } from './support/injection-tokens';
import type { CacheflowExtras, CacheflowOptions } from './options/cacheflow.options';

const extras: Required<CacheflowExtras> = { name: DEFAULT_NAME, isGlobal: true };

export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } =
  new ConfigurableModuleBuilder<CacheflowOptions>({
    moduleName: 'Cacheflow',
  })
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createCacheflowOptions')
    .setExtras(extras, (definition) => definition)
    .build();
