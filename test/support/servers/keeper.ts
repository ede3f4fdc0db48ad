import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { repositoryRoot } from './repository-root';

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

interface Answer {
  id?: number;
  pid?: number;
  error?: string;
  exited?: number;
}

/**
 * The client of keeper-process.mjs: a folder and processes that go away when this process does, even by SIGKILL.
 * It never keeps this process alive by itself.
 */
export class Keeper {
  private readonly child: ChildProcess;
  private readonly pending = new Map<number, (answer: Answer) => void>();
  private readonly onExit = new Map<number, () => void>();
  private readonly gone: Promise<void>;
  private lastId = 0;
  private holds = 0;

  private constructor(
    readonly folder: string,
    cleanup: string[][],
  ) {
    const script = join(repositoryRoot(), 'test/support/servers/keeper-process.mjs');
    this.child = spawn(process.execPath, [script, JSON.stringify({ folder, cleanup })], {
      detached: true,
      stdio: ['pipe', 'pipe', 'inherit'],
      // A loader or inspector of this process is not meant for the keeper.
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    this.gone = new Promise((resolve) => {
      this.child.once('error', () => resolve());
      this.child.once('exit', () => resolve());
    });
    void this.gone.then(() => this.failAll());
    // A keeper that died is noticed through `gone`.
    this.child.stdin?.on('error', () => undefined);
    if (this.child.stdout) {
      createInterface({ input: this.child.stdout }).on('line', (line) =>
        this.take(JSON.parse(line) as Answer),
      );
    }
    this.switchHold('unref');
  }

  /**
   * Makes a fresh temporary folder, and the keeper that will remove it.
   *
   * @param cleanup commands to run when everything ends, each as `[command, ...args]`
   */
  static open(name: string, cleanup: string[][] = []): Keeper {
    // Short, because the path of a Unix socket may not exceed some 100 characters.
    return new Keeper(mkdtempSync(join(realpathSync(tmpdir()), `cf-${name}-`)), cleanup);
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
    const answer = await this.ask({ run: command }, resolveExited);
    if (answer.pid === undefined) throw new Error(`Could not start ${command.command}: ${answer.error}`);
    return { pid: answer.pid, hasExited: () => !running, exit: () => this.holdUntil(exited) };
  }

  /** Kills every process and removes the folder. */
  async end(): Promise<void> {
    this.child.stdin?.write(`${JSON.stringify({ id: 0, end: true })}\n`);
    await this.holdUntil(this.gone);
  }

  private ask(request: { run: Command }, onExit: () => void): Promise<Answer> {
    const id = ++this.lastId;
    const answered = new Promise<Answer>((resolve) => {
      this.pending.set(id, (answer) => {
        // Set here and not after the await, since the exit may come with the same chunk.
        if (answer.pid !== undefined) this.onExit.set(answer.pid, onExit);
        this.pending.delete(id);
        resolve(answer);
      });
      this.child.stdin?.write(`${JSON.stringify({ id, ...request })}\n`);
    });
    return this.holdUntil(answered);
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
    for (const answer of this.pending.values()) answer({ error: 'its keeper process has ended' });
    for (const exited of this.onExit.values()) exited();
    this.onExit.clear();
  }

  /** Lets the event loop wait for the keeper, but only as long as somebody waits for this promise. */
  private async holdUntil<T>(promise: Promise<T>): Promise<T> {
    if (this.holds++ === 0) this.switchHold('ref');
    try {
      return await promise;
    } finally {
      if (--this.holds === 0) this.switchHold('unref');
    }
  }

  private switchHold(method: 'ref' | 'unref'): void {
    this.child[method]();
    for (const stream of [this.child.stdin, this.child.stdout]) {
      // Pipes to a child are sockets, which the general stream types do not say.
      (stream as { ref?(): void; unref?(): void } | null)?.[method]?.();
    }
  }
}
