import { parseArgs } from 'node:util';

export const USAGE = `Usage: nestjs-cacheflow verify --config <file> [options]

Compares what is cached in Redis with the rows of the source, in both directions.

  --config <file>  exports the CacheflowOptions (with \`name\`) as its default export or as \`options\`
  --json           one JSON object a line instead of text; the last one holds the summary
  --repair         remove the keys of wrong values
  --batch <n>      rows of a page and keys of a look at Redis (default 1000)
  --quiet          no progress on stderr
  --help           this text

Exit code: 0 all agree, 1 wrong values were found (also if they were repaired), 2 could not run.
`;

/** What the command is to do. */
export interface VerifyArguments {
  readonly config: string;
  readonly json: boolean;
  readonly repair: boolean;
  readonly batch: number;
  readonly quiet: boolean;
}

/** The command line cannot be used; the message says why. */
export class UsageError extends Error {}

const MAX_BATCH = 10_000;

/**
 * What the command line asks for; 'help' for the text.
 *
 * @throws UsageError
 */
export function readArguments(args: readonly string[]): VerifyArguments | 'help' {
  const { values, positionals } = parse(args);
  if (values.help) return 'help';
  const [command, ...more] = positionals;
  if (command !== 'verify' || more.length > 0) {
    throw new UsageError(command === undefined ? 'There is no command' : 'There is no such command');
  }
  if (!values.config) throw new UsageError('--config is missing');
  const batch = Number(values.batch ?? 1_000);
  if (!Number.isInteger(batch) || batch < 1 || batch > MAX_BATCH) {
    throw new UsageError(`--batch has to be a whole number from 1 to ${MAX_BATCH}`);
  }
  return {
    config: values.config,
    json: values.json ?? false,
    repair: values.repair ?? false,
    batch,
    quiet: values.quiet ?? false,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        config: { type: 'string' },
        json: { type: 'boolean' },
        repair: { type: 'boolean' },
        batch: { type: 'string' },
        quiet: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}
