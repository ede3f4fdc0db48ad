import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type Command, Keeper, type KeptProcess } from './keeper';
import type { Runtime } from './runtime';

const STOP_TIMEOUT_MILLIS = 60_000;
const LOG_LINES = 20;

export type Program = Omit<Command, 'log'>;

export interface LocalServerPlan {
  name: string;
  port: number;
  /** Before the first start. */
  prepare?(folder: string): Promise<void>;
  main(folder: string): Program;
  /** Started once, before the server, and ended with the folder. */
  helper?(folder: string): Program;
  dataDir(folder: string): string;
  /** The folder is never in memory. */
  onDisk?: boolean;
}

/** A server as a process of this machine, in a temporary folder of its own. */
export class LocalRuntime implements Runtime {
  private readonly keeper: Keeper;
  private readonly log: string;
  private process?: KeptProcess;
  private prepared?: Promise<void>;
  private ended?: Promise<void>;

  constructor(private readonly plan: LocalServerPlan) {
    this.keeper = Keeper.open(plan.name, { onDisk: plan.onDisk });
    this.log = join(this.keeper.folder, 'log');
  }

  get port(): number {
    return this.plan.port;
  }

  get pid(): number {
    if (!this.process) throw new Error(`${this.plan.name} has not been started`);
    return this.process.pid;
  }

  get dataDir(): string {
    return this.plan.dataDir(this.keeper.folder);
  }

  async start(): Promise<void> {
    if (await this.isAlive()) throw new Error(`${this.plan.name} is running already`);
    this.prepared ??= this.prepare();
    await this.prepared;
    this.process = await this.keeper.run({ ...this.plan.main(this.keeper.folder), log: this.log });
  }

  private async prepare(): Promise<void> {
    const { folder } = this.keeper;
    await this.plan.prepare?.(folder);
    if (this.plan.helper) {
      await this.keeper.run({ ...this.plan.helper(folder), log: join(folder, 'helper.log') });
    }
  }

  isAlive(): Promise<boolean> {
    return Promise.resolve(this.process !== undefined && !this.process.hasExited());
  }

  async stop(): Promise<void> {
    // A stopped process takes its SIGTERM only after SIGCONT.
    if (!this.signal('SIGTERM')) return;
    this.signal('SIGCONT');
    const timer = new AbortController();
    const late = pause(STOP_TIMEOUT_MILLIS, true, { signal: timer.signal }).catch(() => true);
    const isLate = await Promise.race([this.process?.exit(), late]);
    timer.abort();
    if (isLate) {
      throw new Error(`${this.plan.name} did not stop in ${STOP_TIMEOUT_MILLIS} ms\n${await this.logTail()}`);
    }
  }

  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.process?.exit();
  }

  pause(): void {
    this.signal('SIGSTOP');
  }

  resume(): void {
    this.signal('SIGCONT');
  }

  dispose(): Promise<void> {
    this.ended ??= this.keeper.end();
    return this.ended;
  }

  async logTail(): Promise<string> {
    const text = await readFile(this.log, 'utf8').catch(() => '(no log)');
    return text.trimEnd().split('\n').slice(-LOG_LINES).join('\n');
  }

  private signal(signal: NodeJS.Signals): boolean {
    if (!this.process || this.process.hasExited()) return false;
    try {
      return process.kill(this.process.pid, signal);
    } catch (error) {
      // It is gone, and the keeper's word of that is on its way.
      if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
      throw error;
    }
  }
}
