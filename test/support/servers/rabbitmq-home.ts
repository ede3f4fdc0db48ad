import { existsSync, mkdirSync, readdirSync, realpathSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * A view of RabbitMQ's installation without its optional plugins: none of them is enabled, but each lengthens
 * the path on which Erlang looks for every module. It halves the start, from 9 s to 5 s on two cores.
 *
 * @returns variables for rabbitmq-server; none where the installation is laid out in another way
 */
export function slimRabbitmqHome(command: string, home: string): NodeJS.ProcessEnv {
  const scripts = dirname(realpathSync(command));
  const plugins = join(scripts, '../plugins');
  if (!existsSync(plugins)) return {};
  mkdirSync(join(home, 'plugins'), { recursive: true });
  symlinkSync(scripts, join(home, 'sbin'));
  const needed = readdirSync(plugins).filter((name) => !/^rabbitmq_(?!prelaunch)/.test(name));
  for (const name of needed) symlinkSync(join(plugins, name), join(home, 'plugins', name));
  return { RABBITMQ_SCRIPTS_DIR: join(home, 'sbin') };
}
