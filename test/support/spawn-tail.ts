import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { ProcessOptions, ProcessReport } from './tail-process';

/** An application in a process of its own. */
export interface TailProcess {
  readonly child: ChildProcess;
  caughtUp(): Promise<void>;
  report(): Promise<ProcessReport>;
  /** Begins to load a key, and never ends; resolves when it has the lease. */
  hold(key: string): Promise<void>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** A clean shutdown; resolves with the exit code, once the process has ended by itself. */
  close(): Promise<number | null>;
}

const SCRIPT = join(__dirname, '../../.build/test/support/tail-process.js');

/** Starts an application; resolves when it has booted. */
export async function spawnTail(options: ProcessOptions): Promise<TailProcess> {
  // On a busy machine garbage would stay long enough to be taken for what the library holds in memory.
  const execArgv = ['--max-semi-space-size=4'];
  const child = fork(SCRIPT, [JSON.stringify(options)], { execArgv });
  const exited = once(child, 'exit') as Promise<[number | null]>;
  const answer = async <T>(question?: string): Promise<T> => {
    const reply = once(child, 'message') as Promise<[T]>;
    if (question) child.send(question);
    const gone = exited.then(([code]): never => {
      throw new Error(`The process ended with code ${code}`);
    });
    return (await Promise.race([reply, gone]))[0];
  };
  await answer();
  return {
    child,
    caughtUp: async () => {
      const reply = await answer<string | { error: string }>('caughtUp');
      if (typeof reply === 'object') throw new Error(reply.error);
    },
    report: () => answer<ProcessReport>('report'),
    hold: async (key) => {
      await answer(`hold ${key}`);
    },
    kill: async () => {
      child.kill('SIGKILL');
      await exited;
    },
    close: async () => {
      child.send('close');
      return (await exited)[0];
    },
  };
}
