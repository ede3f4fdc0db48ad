import { readFile } from 'node:fs/promises';
import type { AddressInfo, Server, Socket } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BinlogPosition, CacheflowStatus } from '../../../lib';
import type { Keeper, KeptProcess } from '../../support/servers/keeper';
import { repositoryRoot } from '../../support/servers/repository-root';
import type { AppAnswer, AppQuestion, AppSettings } from './app-protocol';
import type { Settling } from './settle';

const SCRIPT = join(repositoryRoot(), '.build/test/promises/chaos/app-process.js');
const LOG_CHARACTERS = 2_000;
const BOOT_TIMEOUT_MILLIS = 60_000;
const ANSWER_TIMEOUT_MILLIS = 10_000;
const SHUTDOWN_TIMEOUT_MILLIS = 20_000;

export type AppPlan = Omit<AppSettings, 'controlPort' | 'eventFile' | 'quiet'>;

/** The application under test, over all its processes: one at a time. */
export class App implements Settling {
  private process: KeptProcess | undefined;
  private control: Socket | undefined;
  private onReady: (() => void) | undefined;
  private readonly waiting = new Map<number, (answer: AppAnswer) => void>();
  private lastId = 0;
  private starts = 0;
  private paused = false;
  /** One file for each process. */
  readonly eventFiles: string[] = [];
  /** Errors by code, of the processes that were asked for their status. */
  errors: Record<string, number> = {};

  private constructor(
    private readonly keeper: Keeper,
    private readonly plan: AppPlan,
    private readonly listener: Server,
    private readonly label: string,
  ) {
    listener.on('connection', (socket) => this.take(socket));
  }

  /** @param label tells several apps of one harness apart, also those of one group */
  static async open(keeper: Keeper, plan: AppPlan, label = 'app'): Promise<App> {
    const listener = createServer();
    await new Promise<void>((resolve, reject) => {
      listener.once('error', reject);
      listener.listen(0, '127.0.0.1', resolve);
    });
    return new App(keeper, plan, listener, label);
  }

  get isRunning(): boolean {
    return this.process !== undefined && !this.process.hasExited();
  }

  /** Whether it is there and not paused. */
  get answers(): boolean {
    return this.isRunning && !this.paused && this.control !== undefined;
  }

  /** Resolves when it has booted. */
  async start(): Promise<void> {
    const id = ++this.starts;
    this.paused = false;
    const eventFile = join(this.keeper.folder, `${this.label}-${id}.events`);
    this.eventFiles.push(eventFile);
    const { port } = this.listener.address() as AddressInfo;
    const settings: AppSettings = { ...this.plan, controlPort: port, eventFile, quiet: true };
    const ready = new Promise<void>((resolve) => {
      this.onReady = resolve;
    });
    this.process = await this.keeper.run({
      command: process.execPath,
      args: [SCRIPT, JSON.stringify(settings)],
      log: this.logFile,
    });
    const { process: started } = this;
    const timer = new AbortController();
    const late = sleep(BOOT_TIMEOUT_MILLIS, 'did not boot in time', { signal: timer.signal }).catch(() => '');
    const died = started.exit().then(() => 'ended while booting');
    const failure = await Promise.race([ready, late, died]);
    timer.abort();
    if (failure) {
      const log = await readFile(this.logFile, 'utf8').catch(() => '');
      throw new Error(`The app ${failure}. The end of its log:\n${log.slice(-LOG_CHARACTERS)}`);
    }
  }

  private get logFile(): string {
    return join(this.keeper.folder, `${this.label}.log`);
  }

  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.process?.exit();
  }

  /** SIGTERM; resolves when it has ended, with whether it did so in time. */
  async terminate(): Promise<boolean> {
    this.signal('SIGTERM');
    const timer = new AbortController();
    const late = sleep(SHUTDOWN_TIMEOUT_MILLIS, true, { signal: timer.signal }).catch(() => false);
    const exit = this.process?.exit().then(() => false);
    const isLate = await Promise.race([exit, late]);
    timer.abort();
    if (isLate) await this.kill();
    return !isLate;
  }

  /** SIGSTOP. */
  pause(): void {
    this.paused = true;
    this.signal('SIGSTOP');
  }

  /** SIGCONT. */
  resume(): void {
    this.paused = false;
    this.signal('SIGCONT');
  }

  async status(): Promise<CacheflowStatus> {
    const { status, errors = {} } = await this.ask('status', ANSWER_TIMEOUT_MILLIS);
    if (!status) throw new Error('The app told no status');
    for (const [code, count] of Object.entries(errors))
      this.errors[code] = Math.max(this.errors[code] ?? 0, count);
    return status;
  }

  async caughtUp(timeoutMillis: number): Promise<void> {
    const { failure } = await this.ask('caughtUp', timeoutMillis);
    if (failure !== undefined) throw new Error(failure);
  }

  async pendingHandlers(): Promise<number> {
    return (await this.status()).pendingHandlers;
  }

  async checkpoint(): Promise<BinlogPosition | undefined> {
    return (await this.status()).checkpoint;
  }

  async dispose(): Promise<void> {
    await this.kill();
    this.control?.destroy();
    await new Promise<void>((resolve) => this.listener.close(() => resolve()));
  }

  private signal(signal: NodeJS.Signals): void {
    if (this.process && !this.process.hasExited()) process.kill(this.process.pid, signal);
  }

  private async ask(ask: AppQuestion['ask'], timeoutMillis: number): Promise<AppAnswer> {
    const { control } = this;
    if (!control) throw new Error('The app is not running');
    const id = ++this.lastId;
    const answered = new Promise<AppAnswer>((resolve) => this.waiting.set(id, resolve));
    control.write(`${JSON.stringify({ id, ask, timeoutMillis } satisfies AppQuestion)}\n`);
    const timer = new AbortController();
    const late = sleep(
      timeoutMillis + 2_000,
      { failure: `No answer to ${ask}` },
      { signal: timer.signal },
    ).catch(() => ({ failure: '' }));
    const answer = await Promise.race([answered, late]);
    timer.abort();
    this.waiting.delete(id);
    return answer;
  }

  private take(socket: Socket): void {
    // A killed process breaks it.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      if (this.control !== socket) return;
      this.control = undefined;
      for (const answer of this.waiting.values()) answer({ failure: 'The app ended' });
      this.waiting.clear();
    });
    createInterface({ input: socket }).on('line', (line) => {
      const answer = JSON.parse(line) as AppAnswer;
      if (answer.ready !== undefined) {
        this.control = socket;
        this.onReady?.();
      } else if (answer.id !== undefined) this.waiting.get(answer.id)?.(answer);
    });
  }
}
