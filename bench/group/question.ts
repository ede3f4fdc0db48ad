import type { CacheflowExtras, CacheflowOptions, CacheflowStatus } from '../../lib';

export type AppOptions = CacheflowOptions & CacheflowExtras;

export interface Calls {
  readonly count: number;
  /** In milliseconds since 1970. */
  readonly lastAt: number;
}

/** What options cannot tell in JSON. */
export interface More {
  /** A handler listens to the table, and takes so long for a call. */
  readonly handlerMillis?: number | undefined;
  /** Nodes of a Redis Cluster, in place of the Redis of the options. */
  readonly clusterPorts?: readonly number[] | undefined;
}

/** What a process that is measured can be asked. */
export interface Questions {
  boot(options: AppOptions, more?: More): Promise<void>;
  caughtUp(): Promise<void>;
  status(): Promise<CacheflowStatus>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Of its handler. */
  calls(): Promise<Calls>;
  /** Processor time that it has taken so far. */
  cpuMillis(): Promise<number>;
  /** How long `caughtUp()` takes, asked for again and again. */
  sampleCaughtUp(seconds: number, everyMillis: number): Promise<number[]>;
  close(): Promise<void>;
}

export interface Question {
  readonly id: number;
  readonly ask: keyof Questions;
  readonly args: readonly unknown[];
}

export interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly problem?: string;
}
