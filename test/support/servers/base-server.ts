import { setTimeout as pause } from 'node:timers/promises';
import { freePort } from './free-port';
import type { Runtime } from './runtime';
import type { ServerHandle, ServerKind } from './server-handle';

const READY_TIMEOUT_MILLIS = 120_000;
const READY_POLL_MILLIS = 20;
const FIRST_START_ATTEMPTS = 4;
const PORT_TAKEN = /address already in use|eaddrinuse|port is already allocated/i;

/** The handle over a runtime; a kind adds how to ask its server whether it is ready. */
export abstract class BaseServer implements ServerHandle {
  abstract readonly kind: ServerKind;
  readonly host = '127.0.0.1';
  private paused = false;
  private knownVersion = '';

  constructor(protected readonly runtime: Runtime) {}

  /** Asks the server something real and returns its version; throws while it does not answer. */
  protected abstract probe(): Promise<string>;

  /** Drops connections to a server that is about to go. */
  protected abstract disconnect(): void;

  get port(): number {
    return this.runtime.port;
  }

  get pid(): number {
    return this.runtime.pid;
  }

  get dataDir(): string {
    return this.runtime.dataDir;
  }

  get version(): string {
    return this.knownVersion;
  }

  get isPaused(): boolean {
    return this.paused;
  }

  isAlive(): Promise<boolean> {
    return this.runtime.isAlive();
  }

  async start(): Promise<void> {
    await this.runtime.start();
    this.paused = false;
    const deadline = Date.now() + READY_TIMEOUT_MILLIS;
    for (;;) {
      const failure = await this.tryProbe();
      // Looked at after the probe: a server that lost its port to another one ends, and what answered
      // was the other.
      if (!(await this.runtime.isAlive())) throw await this.startError('ended while starting', failure);
      if (!failure) return;
      if (Date.now() > deadline) {
        throw await this.startError(`did not answer in ${READY_TIMEOUT_MILLIS} ms`, failure);
      }
      await pause(READY_POLL_MILLIS);
    }
  }

  async stop(): Promise<void> {
    this.disconnect();
    await this.runtime.stop();
  }

  async kill(): Promise<void> {
    this.disconnect();
    await this.runtime.kill();
  }

  pause(): void {
    this.paused = true;
    this.runtime.pause();
  }

  resume(): void {
    this.paused = false;
    this.runtime.resume();
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  async dispose(): Promise<void> {
    this.disconnect();
    await this.runtime.dispose();
  }

  private async tryProbe(): Promise<unknown> {
    try {
      this.knownVersion = await this.probe();
      return undefined;
    } catch (error) {
      return error ?? new Error('no answer');
    }
  }

  private async startError(what: string, cause: unknown): Promise<Error> {
    return new Error(`${this.kind} ${what}. The end of its log:\n${await this.runtime.logTail()}`, { cause });
  }
}

/**
 * Starts what `create` makes, with another port when somebody else took the first one meanwhile.
 *
 * @param wanted the only port to use
 */
export async function startOnFreePort<T extends BaseServer>(
  create: (port: number) => T,
  wanted?: number,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const server = create(wanted ?? (await freePort()));
    try {
      await server.start();
      return server;
    } catch (error) {
      await server.dispose();
      const portTaken = error instanceof Error && PORT_TAKEN.test(error.message);
      if (!portTaken || wanted !== undefined || attempt === FIRST_START_ATTEMPTS) throw error;
    }
  }
}
