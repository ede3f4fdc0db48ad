import type { ConfigurationFault } from '../errors/configuration.error';
import { CacheflowConfigurationError } from '../errors/configuration.error';
import type { RedisHold } from '../redis/redis-hold';
import { sleep } from '../support/abort';
import type { GroupRegistry } from './group-registry';
import type { GroupMember } from './group-status';

const LOOK_MILLIS = 300;

/**
 * A store of the checkpoint that does not fence may serve one process only. One that has just died is waited for.
 *
 * @throws CacheflowConfigurationError where another process lives
 */
export async function assertAlone(
  name: string,
  own: string,
  { registry, hold }: { readonly registry: GroupRegistry; readonly hold: RedisHold },
  signal: AbortSignal,
): Promise<void> {
  await hold.ask(signal, () => registry.beat());
  // Of two that start at the same time, one was there first.
  const before = new Map(registry.first?.members.map(({ id, atMillis }) => [id, atMillis]));
  for (;;) {
    const { members } = await hold.ask(signal, () => registry.beat());
    const left = members.filter(({ id }) => id !== own && before.has(id));
    if (left.length === 0) return;
    const alive = left.find(({ id, atMillis }) => atMillis > (before.get(id) ?? atMillis));
    if (alive) throw new CacheflowConfigurationError(name, [unfencedFault(alive)]);
    await sleep(LOOK_MILLIS, signal);
  }
}

function unfencedFault({ pid, host }: GroupMember): ConfigurationFault {
  return {
    subject: 'checkpoint',
    problem:
      `another process (pid ${pid} on ${host}) runs with the same \`name\`, and the store of the checkpoint does not ` +
      'keep a leader that was deposed from saving over its successor',
    fix:
      "Use checkpoint: 'redis', or a CheckpointStore with `isFenced`; or give each process a `name` of its own; or set " +
      "election: 'none', and run one process only",
  };
}
