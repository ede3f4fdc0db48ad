import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Answer, Question, Questions } from './question';

type Told<Name extends keyof Questions> = Awaited<ReturnType<Questions[Name]>>;

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** The other end of a process that is measured. */
export class MeasuredProcess {
  private readonly waiting = new Map<number, Waiting>();
  private readonly exited: Promise<unknown>;
  private asked = 0;

  private constructor(private readonly child: ChildProcess) {
    this.exited = once(child, 'exit').then(() => {
      for (const { reject } of this.waiting.values()) reject(new Error('The process has ended'));
    });
    child.on('message', ({ id, value, problem }: Answer) => {
      const question = this.waiting.get(id);
      this.waiting.delete(id);
      if (problem === undefined) question?.resolve(value);
      else question?.reject(new Error(problem));
    });
  }

  /** Resolves when it has loaded its code, and has not booted yet. */
  static async load(): Promise<MeasuredProcess> {
    const child = fork(join(__dirname, 'bench-process.js'), { execArgv: [] });
    const loaded = once(child, 'message');
    const started = new MeasuredProcess(child);
    const failed = started.exited.then(() => {
      throw new Error('A process ended before it had loaded its code');
    });
    await Promise.race([loaded, failed]);
    return started;
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  async ask<Name extends keyof Questions>(
    ask: Name,
    ...args: Parameters<Questions[Name]>
  ): Promise<Told<Name>> {
    const id = ++this.asked;
    return new Promise<Told<Name>>((resolve, reject) => {
      this.waiting.set(id, { resolve: resolve as Waiting['resolve'], reject });
      this.child.send({ id, ask, args } satisfies Question);
    });
  }

  /** SIGSTOP. */
  freeze(): void {
    this.child.kill('SIGSTOP');
  }

  /** SIGKILL; resolves when it is gone. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.exited;
  }

  /** A clean shutdown. */
  async close(): Promise<void> {
    await this.ask('close');
    await this.exited;
  }
}
