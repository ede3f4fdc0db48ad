import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

const CLI = join(__dirname, '../../.build/lib/cli/index.js');

/** What the command came to. */
export interface CliRun {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
  /** The lines of stdout, sorted. */
  readonly lines: readonly string[];
  /** With `--json`. */
  readonly summary: Record<string, number | string[]>;
  readonly peakRssBytes: number;
}

/** Says at the end of the process how much memory it took. */
const MEASURE = `process.on('exit', () => process.stderr.write('peak ' + process.resourceUsage().maxRSS + '\\n'));\n`;

/** Runs `nestjs-cacheflow` with a config file of this text in a process of its own. */
export async function runCli(
  config: string,
  args: readonly string[] = [],
  { extension = 'cjs', execArgv = [] as string[] } = {},
): Promise<CliRun> {
  const folder = mkdtempSync(join(tmpdir(), 'cacheflow-verify-'));
  try {
    const file = join(folder, `cacheflow.config.${extension}`);
    writeFileSync(file, MEASURE + config);
    const all = args.length > 0 && args[0] === '--' ? args.slice(1) : ['verify', '--config', file, ...args];
    const child = spawn(process.execPath, [...execArgv, CLI, ...all], { stdio: ['ignore', 'pipe', 'pipe'] });
    const [out, err, code] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      new Promise<number | null>((resolve) => child.once('close', resolve)),
    ]);
    const lines = out.split('\n').filter((line) => line !== '');
    const json = lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as object);
    const last = json.at(-1) as { summary?: CliRun['summary'] } | undefined;
    const peakRssBytes = Number(/peak (\d+)/.exec(err)?.[1] ?? 0) * 1024;
    return { code, out, err, lines: lines.sort(), summary: last?.summary ?? {}, peakRssBytes };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
