import { messageOf } from '../errors/cacheflow.error';
import type { Command, Streams } from './command';
import { ExitCode, UsageError } from './command';
import { COMMANDS } from './commands';

/** Runs what a command line asks for; resolves with the exit code and never rejects. */
export async function runCommand(
  args: readonly string[],
  streams: Streams = { out: process.stdout, err: process.stderr },
): Promise<number> {
  const place = args.findIndex((arg) => COMMANDS.some(({ name }) => name === arg));
  const command = COMMANDS.find(({ name }) => name === args[place]);
  if (args.includes('--help') || args.includes('-h')) {
    streams.out.write(usageOf(command));
    return ExitCode.Ok;
  }
  try {
    if (command) return await command.run([...args.slice(0, place), ...args.slice(place + 1)], streams);
    const isNamed = args.some((arg) => !arg.startsWith('-'));
    throw new UsageError(isNamed ? 'There is no such command' : 'There is no command');
  } catch (error) {
    streams.err.write(`${messageOf(error)}\n`);
    if (error instanceof UsageError) streams.err.write(`\n${usageOf(command)}`);
    return ExitCode.Failed;
  }
}

/** The help of one command, or of all. */
function usageOf(command: Command | undefined): string {
  return (command ? [command] : COMMANDS).map(({ usage }) => usage).join('\n');
}
