import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { repositoryRoot } from './repository-root';
import { serverRoot } from './server-root';

export interface Command {
  command: string;
  args: string[];
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  /** Takes the standard output and error. */
  log: string;
}

export interface KeptProcess {
  readonly pid: number;
  hasExited(): boolean;
  /** Resolved when the process is gone. */
  exit(): Promise<void>;
}

interface KeeperOptions {
  cleanup?: string[][];
  onDisk?: boolean;
}

interface Answer {
  id?: number;
  pid?: number;
  error?: string;
  exited?: number;
}

const ENDED: Answer = { error: 'its keeper process has ended' };

/** The one keeper-process.mjs of this process; starting it takes longer than starting Redis. */
class KeeperProcess {
  private static current?: KeeperProcess;
  private readonly child: ChildProcess;
  private readonly pending = new Map<number, (answer: Answer) => void>();
  private readonly onExit = new Map<number, () => void>();
  private isGone = false;
  private lastId = 0;
  private holds = 0;

  static get(): KeeperProcess {
    if (!this.current || this.current.isGone) this.current = new KeeperProcess();
    return this.current;
  }

  private constructor() {
    const script = join(repositoryRoot(), 'test/support/servers/keeper-process.mjs');
    this.child = spawn(process.execPath, [script], {
      detached: true,
      stdio: ['pipe', 'pipe', 'inherit'],
      // A loader or inspector of this process is not meant for the keeper.
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    const gone = () => {
      this.isGone = true;
      this.failAll();
    };
    this.child.once('error', gone);
    this.child.once('exit', gone);
    // A keeper that died is noticed by its exit.
    this.child.stdin?.on('error', () => undefined);
    if (this.child.stdout) {
      createInterface({ input: this.child.stdout }).on('line', (line) =>
        this.take(JSON.parse(line) as Answer),
      );
    }
    this.switchHold('unref');
  }

  send(request: object): void {
    this.child.stdin?.write(`${JSON.stringify(request)}\n`);
  }

  /** @param onExit called once the process that was started, if any, is gone */
  ask(request: object, onExit?: () => void): Promise<Answer> {
    if (this.isGone) return Promise.resolve(ENDED);
    const id = ++this.lastId;
    const answered = new Promise<Answer>((resolve) => {
      this.pending.set(id, (answer) => {
        // Set here and not after the await, since the exit may come with the same chunk.
        if (answer.pid !== undefined && onExit) this.onExit.set(answer.pid, onExit);
        this.pending.delete(id);
        resolve(answer);
      });
      this.send({ id, ...request });
    });
    return this.holdUntil(answered);
  }

  /** Lets the event loop wait for the keeper, but only as long as somebody waits for this promise. */
  async holdUntil<T>(promise: Promise<T>): Promise<T> {
    if (this.holds++ === 0) this.switchHold('ref');
    try {
      return await promise;
    } finally {
      if (--this.holds === 0) this.switchHold('unref');
    }
  }

  private take(answer: Answer): void {
    if (answer.exited !== undefined) {
      this.onExit.get(answer.exited)?.();
      this.onExit.delete(answer.exited);
    } else if (answer.id !== undefined) {
      this.pending.get(answer.id)?.(answer);
    }
  }

  private failAll(): void {
    for (const answer of this.pending.values()) answer(ENDED);
    for (const exited of this.onExit.values()) exited();
    this.onExit.clear();
  }

  private switchHold(method: 'ref' | 'unref'): void {
    this.child[method]();
    for (const stream of [this.child.stdin, this.child.stdout]) {
      // Pipes to a child are sockets, which the general stream types do not say.
      (stream as { ref?(): void; unref?(): void } | null)?.[method]?.();
    }
  }
}

/**
 * A folder and processes that go away when this process does, even by SIGKILL: keeper-process.mjs sees to that. It
 * never keeps this process alive by itself.
 */
export class Keeper {
  private readonly process = KeeperProcess.get();

  private constructor(
    readonly folder: string,
    cleanup: string[][],
  ) {
    this.process.send({ folder, open: { cleanup } });
  }

  /**
   * Makes a fresh temporary folder that will be removed.
   *
   * @param cleanup commands to run when everything ends, each as `[command, ...args]`
   * @param onDisk never in memory
   */
  static open(name: string, { cleanup = [], onDisk = false }: KeeperOptions = {}): Keeper {
    // Short, because the path of a Unix socket may not exceed some 100 characters.
    return new Keeper(mkdtempSync(join(serverRoot(onDisk), `cf-${name}-`)), cleanup);
  }

  /** Starts a process. @throws Error when the command cannot be executed. */
  async run(command: Command): Promise<KeptProcess> {
    let running = true;
    let resolveExited: () => void = () => undefined;
    const exited = new Promise<void>((resolve) => {
      resolveExited = () => {
        running = false;
        resolve();
      };
    });
    const answer = await this.process.ask({ folder: this.folder, run: command }, resolveExited);
    if (answer.pid === undefined) throw new Error(`Could not start ${command.command}: ${answer.error}`);
    return { pid: answer.pid, hasExited: () => !running, exit: () => this.process.holdUntil(exited) };
  }

  /** Kills every process and removes the folder. */
  async end(): Promise<void> {
    await this.process.ask({ folder: this.folder, end: true });
  }
}
