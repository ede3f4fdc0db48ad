import { parseArgs } from 'node:util';
import { UsageError } from './command';

export const VERIFY_USAGE = `Usage: nestjs-cacheflow verify --config <file> [options]

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

const MAX_BATCH = 10_000;

/**
 * What the command line asks for.
 *
 * @throws UsageError
 */
export function readVerifyArguments(args: readonly string[]): VerifyArguments {
  const { values } = parse(args);
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
      options: {
        config: { type: 'string' },
        json: { type: 'boolean' },
        repair: { type: 'boolean' },
        batch: { type: 'string' },
        quiet: { type: 'boolean' },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}
