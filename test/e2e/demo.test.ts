import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { CacheflowStatus } from '../../lib';
import { repositoryRoot } from '../support/servers/repository-root';
import { waitFor } from '../support/wait-for';

const ROOT = repositoryRoot();
const DEMO = join(ROOT, '.build/sample-app/demo.js');

describe('npm run demo', () => {
  let child: ChildProcess;

  beforeAll(async () => {
    // `npm test` has built it; vitest alone has not.
    if (existsSync(DEMO)) return;
    child = run(join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.run.json');
    expect(await ended(child)).toMatchObject({ code: 0 });
  });
  afterEach(() => {
    if (child.exitCode === null) child.kill('SIGKILL');
  });

  it.each([
    ['MySQL', []],
    ['MariaDB', ['--mariadb']],
  ])('checks one change on %s and ends with 0', async (name, args) => {
    child = run(DEMO, '--check', ...args);
    const { code, output } = await ended(child);
    expect(output).toContain(`Starting ${name}, Redis and RabbitMQ`);
    expect(output).toMatch(/The cached key was gone \d+\.\d ms after the change was committed/);
    expect(output).toContain('Refused commands are tried again over RabbitMQ');
    expect(code).toBe(0);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)(
    'shows the page until %s, then leaves nothing running',
    async (signal) => {
      child = run(DEMO, '--port=0');
      const end = ended(child);
      let output = '';
      child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
      await waitFor(() => output.includes('Ctrl-C'), { timeoutMillis: 50_000, message: 'the banner' });
      const page = /http:\/\/127\.0\.0\.1:\d+/.exec(output)?.[0] ?? '';
      const redisPort = /redis-cli -p (\d+)/.exec(output)?.[1];
      const rabbitmqPort = /amqp:.*:(\d+)/.exec(output)?.[1];
      expect((await fetch(page)).status).toBe(200);
      if (signal === 'SIGINT') {
        // Started later than the page, which therefore comes without it.
        await waitFor(async () => (await retryState(page)) === 'connected', {
          timeoutMillis: 50_000,
          message: 'RabbitMQ',
        });
      }
      // A browser that looks at the page holds this one open.
      const events = await fetch(`${page}/events`);

      child.kill(signal);
      expect((await end).code).toBe(0);
      // Cut off or ended, as long as it did not hold up the end.
      await events.text().catch(() => undefined);
      await expect(fetch(page)).rejects.toThrow('fetch failed');
      await expect(fetch(`http://127.0.0.1:${redisPort}`)).rejects.toThrow('fetch failed');
      await expect(fetch(`http://127.0.0.1:${rabbitmqPort}`)).rejects.toThrow('fetch failed');
    },
  );

  it('ends while the servers are still starting', async () => {
    child = run(DEMO);
    const end = ended(child);
    let output = '';
    child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    await waitFor(() => output.includes('Starting'), { message: 'the first line' });
    child.kill('SIGINT');
    expect((await end).code).toBe(0);
  });

  it('says what is wrong with an option', async () => {
    child = run(DEMO, '--prot=1');
    expect(await ended(child)).toMatchObject({
      code: 1,
      output: expect.stringContaining("'--prot'") as string,
    });
  });
});

async function retryState(page: string): Promise<string> {
  const { status } = (await (await fetch(`${page}/live`)).json()) as { status: CacheflowStatus };
  return status.retry.state;
}

function run(script: string, ...args: string[]): ChildProcess {
  return spawn(process.execPath, [script, ...args], { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
}

async function ended(child: ChildProcess): Promise<{ code: number | null; output: string }> {
  if (!child.stdout || !child.stderr) throw new Error('The output is not piped');
  const exit = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const [code, out, err] = await Promise.all([exit, text(child.stdout), text(child.stderr)]);
  return { code, output: out + err };
}
