import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { HandlerProcessOptions } from './handler-process';

/** A process that consumes the partitions of a group. */
export interface HandlerProcess {
  readonly child: ChildProcess;
  /** Tells it who is in the group. */
  tell(members: readonly string[]): Promise<void>;
  /** Its calls so far. */
  count(): Promise<number>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** Resolves with the exit code, once the process has ended by itself. */
  close(): Promise<number | null>;
}

const SCRIPT = join(__dirname, '../../.build/test/support/handler-process.js');

/** Starts one; resolves when it consumes. */
export async function spawnHandlers(options: HandlerProcessOptions): Promise<HandlerProcess> {
  const child = fork(SCRIPT, [JSON.stringify(options)]);
  const exited = once(child, 'exit') as Promise<[number | null]>;
  const answer = async (question?: object | string): Promise<unknown> => {
    const reply = once(child, 'message');
    if (question !== undefined) child.send(question);
    const gone = exited.then(([code]): never => {
      throw new Error(`The process ended with code ${code}`);
    });
    return ((await Promise.race([reply, gone])) as unknown[])[0];
  };
  await answer();
  return {
    child,
    tell: async (members) => {
      await answer({ members });
    },
    count: async () => Number(await answer('count')),
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
