import type { RedisConnection } from '../../redis/redis-connection';
import { decodeCommand, encodeCommand } from '../command-codec';
import type { DeadLetter, DeadLetters } from '../dead-letters';
import { toDeadLetter } from '../describe-command';
import { Mutex } from '../../support/mutex';
import type { ParkedCommand } from '../parked-command';

/** About as many are kept; the oldest go first. */
const MAX_LETTERS = 10_000;
const PAGE = 100;

interface Entry {
  readonly entry: string;
  readonly letter: DeadLetter;
  readonly command: ParkedCommand | undefined;
}

/** Dead letters in a stream in Redis: `cacheflow:<name>:dead-letters`, with the command in the field `body`. */
export class RedisDeadLetters implements DeadLetters {
  private readonly mutex = new Mutex();
  private readonly stream: string;

  constructor(
    name: string,
    private readonly redis: RedisConnection,
    /** Resolves when the command was done, or is a dead letter again. */
    private readonly again: (command: ParkedCommand) => Promise<void>,
  ) {
    this.stream = `cacheflow:${name}:dead-letters`;
  }

  /** Rejects as the client does. */
  async add(command: ParkedCommand): Promise<void> {
    const { id, work, table, position, reason, attempts } = command;
    const fields = {
      id,
      kind: work.kind,
      ...(table === undefined ? {} : { table }),
      position: `${position.file}:${position.offset}`,
      reason,
      attempts,
      deadAt: Date.now(),
      body: encodeCommand(command),
    };
    await this.redis.client.xadd(
      this.stream,
      'MAXLEN',
      '~',
      MAX_LETTERS,
      '*',
      ...Object.entries(fields).flat(),
    );
  }

  async list({ limit = 100 }: { limit?: number } = {}): Promise<DeadLetter[]> {
    const letters: DeadLetter[] = [];
    if (limit <= 0) return letters;
    for await (const { letter } of this.entries()) {
      letters.push(letter);
      if (letters.length >= limit) break;
    }
    return letters;
  }

  async requeue(...ids: string[]): Promise<number> {
    return this.take(ids, async (command) => {
      if (!command) return false;
      await this.again({ ...command, attempts: 0 });
      return true;
    });
  }

  async discard(...ids: string[]): Promise<number> {
    return this.take(ids, async () => true);
  }

  private async take(
    ids: readonly string[],
    first: (command: ParkedCommand | undefined) => Promise<boolean>,
  ): Promise<number> {
    const wanted = new Set(ids);
    const found = new Set<string>();
    return this.mutex.run(async () => {
      // Before any of it is tried again: what fails once more is appended with the same id.
      const entries: Entry[] = [];
      for await (const entry of this.entries()) if (wanted.has(entry.letter.id)) entries.push(entry);
      for (const { entry, letter, command } of entries) {
        // What cannot be read cannot be tried again, and stays.
        if (!found.has(letter.id) && !(await first(command))) continue;
        found.add(letter.id);
        await this.redis.client.xdel(this.stream, entry);
      }
      return found.size;
    });
  }

  private async *entries(): AsyncGenerator<Entry> {
    let from = '-';
    for (;;) {
      const page = await this.redis.client.xrange(this.stream, from, '+', 'COUNT', PAGE);
      for (const [entry, fields] of page) yield toEntry(entry, fields);
      const last = page.at(-1);
      if (!last || page.length < PAGE) return;
      from = `(${last[0]}`;
    }
  }
}

function toEntry(entry: string, list: readonly string[]): Entry {
  const fields = new Map<string, string>();
  for (let at = 0; at + 1 < list.length; at += 2) fields.set(list[at] ?? '', list[at + 1] ?? '');
  const deadAt = new Date(Number(fields.get('deadAt') ?? entry.split('-')[0]));
  try {
    const command = decodeCommand(fields.get('body') ?? '');
    return { entry, command, letter: toDeadLetter(command, deadAt) };
  } catch {
    const letter: DeadLetter = {
      id: fields.get('id') ?? entry,
      kind: 'unreadable',
      position: undefined,
      reason: fields.get('reason') ?? 'unreadable',
      attempts: 0,
      parkedAt: deadAt,
      deadAt,
    };
    return { entry, command: undefined, letter };
  }
}
