import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { CacheflowOptions, CacheflowStatus, GroupStatus } from '../../lib';
import type { Question, Told } from './group-process';
import { waitFor } from './wait-for';

const SCRIPT = join(__dirname, '../../.build/test/support/group-process.js');

export type Call = Extract<Told, { kind: 'call' }>;

/** One process of a group. */
export class GroupProcess {
  readonly calls: Call[] = [];
  readonly errors: { readonly code: string; readonly message: string }[] = [];
  private readonly waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  private readonly exited: Promise<[number | null]>;
  private asked = 0;

  private constructor(readonly child: ChildProcess) {
    this.exited = once(child, 'exit') as Promise<[number | null]>;
    child.on('message', (told: Told) => {
      if (told.kind === 'call') this.calls.push(told);
      if (told.kind === 'error') this.errors.push(told);
      if (told.kind !== 'answer') return;
      const question = this.waiting.get(told.id);
      this.waiting.delete(told.id);
      if (told.problem === undefined) question?.resolve(told.value);
      else question?.reject(new Error(told.problem));
    });
    void this.exited.then(() => {
      for (const { reject } of this.waiting.values()) reject(new Error('The process has ended'));
    });
  }

  /** Resolves when it has booted. */
  static async start(options: CacheflowOptions, env: Record<string, string> = {}): Promise<GroupProcess> {
    const child = fork(SCRIPT, [JSON.stringify(options)], { env: { ...process.env, ...env } });
    const group = new GroupProcess(child);
    const booted = once(child, 'message');
    await Promise.race([
      booted,
      group.exited.then(([code]) => {
        throw new Error(`The process ended with code ${code}`);
      }),
    ]);
    return group;
  }

  async ask<T>(ask: Question['ask'], ...args: readonly unknown[]): Promise<T> {
    const id = ++this.asked;
    return new Promise<T>((resolve, reject) => {
      this.waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
      this.child.send({ id, ask, args } satisfies Question);
    });
  }

  async status(): Promise<CacheflowStatus> {
    return this.ask('status');
  }

  async role(): Promise<GroupStatus['role']> {
    return (await this.status()).group.role;
  }

  async caughtUp(timeoutMillis = 20_000): Promise<void> {
    await this.ask('caughtUp', timeoutMillis);
  }

  freeze(): void {
    this.child.kill('SIGSTOP');
  }

  thaw(): void {
    this.child.kill('SIGCONT');
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.exited;
  }

  /** A clean shutdown; resolves with the exit code once the process has ended by itself. */
  async close(): Promise<number | null> {
    await this.ask('close').catch(() => undefined);
    return (await this.exited)[0];
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }
}

/** Processes of one group, ended by `end` however a test goes. */
export class GroupOfProcesses {
  readonly all: GroupProcess[] = [];

  async add(options: CacheflowOptions, env?: Record<string, string>): Promise<GroupProcess> {
    const process = await GroupProcess.start(options, env);
    this.all.push(process);
    return process;
  }

  /** Resolves with the one that leads, once one does; frozen ones are not asked. */
  async leader(among: readonly GroupProcess[] = this.all): Promise<GroupProcess> {
    const leader = await waitFor<GroupProcess | undefined>(
      async () => {
        for (const each of among) {
          if (!each.isRunning) continue;
          const { group, state } = await each.status();
          if (group.role === 'leader' && state === 'streaming') return each;
        }
        return undefined;
      },
      { message: 'a leader', timeoutMillis: 20_000 },
    );
    return leader as GroupProcess;
  }

  /** The calls of all, in the order in which they were told. */
  get calls(): Call[] {
    return this.all.flatMap(({ calls }) => calls).sort((a, b) => a.at - b.at);
  }

  end(): void {
    for (const { child } of this.all.splice(0)) child.kill('SIGKILL');
  }
}
