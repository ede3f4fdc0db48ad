import { Inject, Injectable } from '@nestjs/common';
import { DiscoveryService } from '@nestjs/core';
import { CACHEFLOW_NAME } from '../support/injection-tokens';
import type { ConfigurationFault } from '../errors/configuration.error';

/** Stands once in each source of an app, so that two of the same name find each other. */
@Injectable()
export class SourceNames {
  constructor(
    @Inject(CACHEFLOW_NAME) private readonly name: string,
    @Inject(DiscoveryService) private readonly discovery: DiscoveryService,
  ) {}

  /** The names of all sources of the app. */
  all(): string[] {
    const instances = this.discovery.getProviders().map((wrapper) => wrapper.instance as unknown);
    const sources = new Set(instances.filter((instance) => instance instanceof SourceNames));
    return [...sources].map((source) => source.name);
  }

  faults(): ConfigurationFault[] {
    const { name } = this;
    const namesakes = this.all().filter((each) => each === name).length;
    if (namesakes < 2) return [];
    return [
      {
        subject: 'name',
        problem: `${namesakes} sources of this app are called "${name}" and would share a checkpoint`,
        fix: "Give each CacheflowModule.forRoot its own name, e.g. { name: 'orders', … }",
      },
    ];
  }
}
