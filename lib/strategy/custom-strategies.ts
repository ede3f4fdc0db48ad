import type { Type } from '@nestjs/common';
import { Inject, Injectable } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { messageOf } from '../errors/cacheflow.error';
import type { ConfigurationFault } from '../errors/configuration.error';
import type { ChangeEvent } from '../change/change-event';
import type { TableRule } from '../keys/table-rules';
import type { TableStrategy, TableStrategyContext } from '../options/table-strategy';

/** The instances of the strategies that the options name by class. */
@Injectable()
export class CustomStrategies {
  private readonly instances = new Map<Type<TableStrategy>, TableStrategy>();

  constructor(@Inject(ModuleRef) private readonly moduleRef: ModuleRef) {}

  /** Takes the app's instance of each class, or makes one; says what is wrong where it cannot. */
  async resolve(rules: readonly TableRule[]): Promise<ConfigurationFault[]> {
    const faults: ConfigurationFault[] = [];
    for (const { strategy, index } of rules) {
      if (typeof strategy !== 'function' || this.instances.has(strategy)) continue;
      try {
        this.instances.set(strategy, await this.instantiate(strategy));
      } catch (error) {
        faults.push({
          subject: `tables[${index}].strategy`,
          problem: `${strategy.name} cannot be made: ${messageOf(error)}`,
          fix: `Provide ${strategy.name} in a module of the app, where its dependencies can be injected`,
        });
      }
    }
    return faults;
  }

  async run(rule: TableRule, event: ChangeEvent, context: TableStrategyContext): Promise<void> {
    const strategy = this.instances.get(rule.strategy as Type<TableStrategy>);
    if (!strategy) throw new Error('The strategy was not resolved');
    if (event.action === 'insert') await strategy.onInsert(event, context);
    else if (event.action === 'update') await strategy.onUpdate(event, context);
    else await strategy.onDelete(event, context);
  }

  private async instantiate(strategy: Type<TableStrategy>): Promise<TableStrategy> {
    try {
      return this.moduleRef.get(strategy, { strict: false });
    } catch {
      // Not a provider of the app: Nest makes it, with its dependencies injected.
      return this.moduleRef.create(strategy);
    }
  }
}
