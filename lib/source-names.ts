import { Inject, Injectable } from '@nestjs/common';
import { DiscoveryService } from '@nestjs/core';
import { CACHEFLOW_NAME } from './cacheflow.constants';
import type { ConfigurationFault } from './errors/configuration.error';

/** Stands once in each source of an app, so that two of the same name find each other. */
@Injectable()
export class SourceNames {
  constructor(
    @Inject(CACHEFLOW_NAME) private readonly name: string,
    @Inject(DiscoveryService) private readonly discovery: DiscoveryService,
  ) {}

  faults(): ConfigurationFault[] {
    const { name } = this;
    const namesakes = new Set(
      this.discovery
        .getProviders()
        .map((wrapper) => wrapper.instance as unknown)
        .filter(
          (instance): instance is SourceNames => instance instanceof SourceNames && instance.name === name,
        ),
    );
    if (namesakes.size < 2) return [];
    return [
      {
        subject: 'name',
        problem: `${namesakes.size} sources of this app are called "${name}" and would share a checkpoint`,
        fix: "Give each CacheflowModule.forRoot its own name, e.g. { name: 'orders', … }",
      },
    ];
  }
}
