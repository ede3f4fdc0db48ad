import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { CacheflowError, messageOf } from '../errors/cacheflow.error';
import type { RedisClient } from '../redis/redis-client';
import type { RedisConnection } from '../redis/redis-connection';
import { sleep, untilAborted, withDeadline } from '../support/abort';

/** A question is asked again after this time: a message to a process that is just reconnecting is lost. */
const ASK_AGAIN_MILLIS = 250;

/** So long a member that is told something is waited for. */
const TELL_MILLIS = 300;
/** How often the line is tried, and how long a message to oneself may take. */
const TRIAL_MILLIS = 5_000;

/** What one process asks another one. */
export type Errand = 'caught-up' | 'look' | 'forget';

interface Message {
  readonly id: string;
  readonly from: string;
  readonly errand?: Errand;
  /** How long the asker waits, in milliseconds. */
  readonly millis?: number;
  readonly answer?: { readonly done: boolean; readonly problem?: string };
}

export interface LineContext {
  readonly own: string;
  readonly redis: RedisConnection;
  /** Part of each channel, because channels are the same in all databases of a Redis. */
  groupId(): Promise<string>;
  /** Does an errand. Rejects with what keeps it from being done. */
  serve(errand: Errand, signal: AbortSignal): Promise<void>;
}

/** The other process could not do it, and said why. */
export class ErrandFailed extends Error {}

/** Errands that are served at a time; who asks for more is not answered, and asks again. */
const MAX_SERVED = 1_000;

/** Lets the processes of a group ask each other, through Redis' channels: each listens to one of its own. */
export class GroupLine {
  private subscriber: RedisClient | undefined;
  private opening: Promise<void> | undefined;
  private readonly waiting = new Map<string, (answer: NonNullable<Message['answer']>) => void>();
  private readonly served = new Map<string, Promise<void>>();
  private readonly ending = new AbortController();
  private watching: Promise<void> | undefined;

  constructor(private readonly context: LineContext) {
    // Each errand that is served adds a listener.
    setMaxListeners(0, this.ending.signal);
  }

  /** Begins to listen. Rejects when Redis refuses it. */
  async open(): Promise<void> {
    this.opening ??= this.subscribe().catch((error: unknown) => {
      this.opening = undefined;
      throw error;
    });
    await this.opening;
    this.watching ??= this.watch();
  }

  /**
   * Asks a member until it answers. Rejects with {@link ErrandFailed}, or with the signal's reason.
   *
   * @param to asked before each attempt, because the one to ask may change; undefined: nobody yet
   */
  async ask(
    to: () => string | undefined,
    errand: Errand,
    { millis, signal }: { readonly millis: number; readonly signal: AbortSignal },
  ): Promise<void> {
    await untilAborted(this.open(), signal);
    const id = randomUUID();
    const deadline = performance.now() + millis;
    const answered = new Promise<NonNullable<Message['answer']>>((resolve) => this.waiting.set(id, resolve));
    const over = new AbortController();
    const end = (): void => over.abort(signal.reason);
    signal.addEventListener('abort', end, { once: true });
    try {
      const asking = this.repeat(to, over.signal, () => ({
        id,
        errand,
        millis: Math.max(1, Math.ceil(deadline - performance.now())),
      }));
      asking.catch(() => undefined);
      const answer = await untilAborted(answered, signal);
      if (!answer.done) throw new ErrandFailed(answer.problem ?? 'it failed');
    } finally {
      signal.removeEventListener('abort', end);
      over.abort(new Error('It was answered'));
      this.waiting.delete(id);
    }
  }

  /** Tells a member to do something at once. Resolves with whether it has; it may not answer in time. */
  async tell(member: string, errand: Errand, signal: AbortSignal): Promise<boolean> {
    try {
      await withDeadline(TELL_MILLIS, signal, (deadline) =>
        this.ask(() => member, errand, { millis: TELL_MILLIS, signal: deadline }),
      );
      return true;
    } catch {
      signal.throwIfAborted();
      return false;
    }
  }

  /** Ends what is asked and served. */
  async close(): Promise<void> {
    this.ending.abort(new Error('The line is closed'));
    this.subscriber?.disconnect();
    await Promise.all(this.served.values());
    await this.watching;
  }

  /** A server that hangs keeps the connection, and lets nobody know: then another one is opened. */
  private async watch(): Promise<void> {
    const { signal } = this.ending;
    while (!signal.aborted) {
      await sleep(TRIAL_MILLIS, signal).catch(() => undefined);
      if (signal.aborted || this.context.redis.client.status !== 'ready' || (await this.hearsItself()))
        continue;
      this.subscriber?.disconnect();
      this.opening = undefined;
      await this.open().catch(() => undefined);
    }
  }

  private async hearsItself(): Promise<boolean> {
    const id = randomUUID();
    const heard = new Promise<void>((resolve) => this.waiting.set(id, () => resolve()));
    try {
      await withDeadline(TRIAL_MILLIS, this.ending.signal, async (signal) => {
        await untilAborted(this.send(this.context.own, { id, answer: { done: true } }), signal);
        await untilAborted(heard, signal);
      });
      return true;
    } catch {
      return this.ending.signal.aborted;
    } finally {
      this.waiting.delete(id);
    }
  }

  private async repeat(
    to: () => string | undefined,
    signal: AbortSignal,
    message: () => Omit<Message, 'from'>,
  ): Promise<void> {
    for (;;) {
      const member = to();
      if (member !== undefined) await untilAborted(this.send(member, message()), signal);
      await sleep(ASK_AGAIN_MILLIS, signal);
    }
  }

  private async send(to: string, message: Omit<Message, 'from'>): Promise<void> {
    const { own, redis } = this.context;
    // A client that is away would keep it, and a late question is of no use to anybody.
    if (redis.client.status !== 'ready') return;
    const json = JSON.stringify({ ...message, from: own });
    const channel = await this.channelOf(to);
    await redis.client.publish(channel, json).catch(() => undefined);
  }

  private async channelOf(member: string): Promise<string> {
    return `cacheflow:${await this.context.groupId()}:${member}`;
  }

  private async subscribe(): Promise<void> {
    const { own, redis } = this.context;
    const channel = await this.channelOf(own);
    this.ending.signal.throwIfAborted();
    const subscriber = redis.openAnother();
    this.subscriber = subscriber;
    // It connects again by itself; who has no answer asks again.
    subscriber.on('error', () => undefined);
    subscriber.on('message', (_channel: string, text: string) => this.receive(text));
    try {
      await subscriber.subscribe(channel);
    } catch (error) {
      subscriber.disconnect();
      throw error;
    }
  }

  private receive(text: string): void {
    let message: Message;
    try {
      message = JSON.parse(text) as Message;
    } catch {
      return;
    }
    if (message.answer) this.waiting.get(message.id)?.(message.answer);
    else this.serve(message);
  }

  /** A question that is asked again while it is being served is answered once. */
  private serve({ id, from, errand, millis = 0 }: Message): void {
    if (!errand || this.served.has(id) || this.served.size >= MAX_SERVED || this.ending.signal.aborted)
      return;
    const task = this.perform(errand, millis)
      .then(async (answer) => this.send(from, { id, answer }))
      .finally(() => this.served.delete(id));
    this.served.set(id, task);
  }

  private async perform(errand: Errand, millis: number): Promise<NonNullable<Message['answer']>> {
    const late = new AbortController();
    const end = (): void => late.abort(this.ending.signal.reason);
    this.ending.signal.addEventListener('abort', end, { once: true });
    const timer = setTimeout(() => late.abort(new Error(`It took longer than ${millis} ms`)), millis);
    try {
      await this.context.serve(errand, late.signal);
      return { done: true };
    } catch (error) {
      // Only our own words: others may hold what does not belong into another process' log.
      return { done: false, problem: error instanceof CacheflowError ? error.message : messageOf(error) };
    } finally {
      clearTimeout(timer);
      this.ending.signal.removeEventListener('abort', end);
    }
  }
}
