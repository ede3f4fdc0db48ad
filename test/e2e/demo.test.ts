import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Takeover } from '../../sample-app/demo/app-group';
import type { FrontReport } from '../../sample-app/demo/front';
import type { Snapshot } from '../../sample-app/live/snapshot.service';
import type { WelcomeMail } from '../../sample-app/mail/welcome-mails.service';
import { repositoryRoot } from '../support/servers/repository-root';
import { waitFor } from '../support/wait-for';
import { EventStream } from './event-stream';

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

  it('checks three processes that are one group, over a handover and a kill, and ends with 0', async () => {
    child = run(DEMO, '--check', '--processes=3');
    const { code, output } = await ended(child);
    expect(output).toContain('there is one dump thread on the server');
    expect(output).toMatch(/The leader \d+ was asked to end, and handed over to \d+/);
    expect(output).toContain('10 users before and after it: the handler was called once for each');
    expect(output).toMatch(/The leader \d+ was killed, and \d+ led \d+ ms later/);
    expect(output).toContain('Another process stands by in its place; there is still one dump thread');
    expect(code).toBe(0);
  });

  it('keeps the page of a group when the process that answers it is killed', async () => {
    child = run(DEMO, '--port=0', '--processes=2');
    const end = ended(child);
    const page = await pageOf(child);
    const groupAt = (path: string, options: RequestInit = {}) => fetch(`${page}/demo/${path}`, options);
    const stream = await EventStream.open(`${page}/events`);
    const first = await addUser(page, 'first');
    const inserted = await stream.next(({ data }) => isInsertOf(data, first));

    const elsewhere = { method: 'POST', headers: { origin: 'http://elsewhere.example' } };
    expect((await groupAt('kill-leader', elsewhere)).status).toBe(403);
    const takeover = (await (await groupAt('kill-leader', { method: 'POST' })).json()) as Takeover;
    expect(takeover.from).toBe(inserted.data['pid']);
    // As a browser does: asked again at the same address, the stream goes on.
    await expect(stream.next(() => false)).rejects.toThrow();
    const second = await addUser(page, 'second');
    const resumed = await EventStream.open(`${page}/events`, inserted.id);
    const next = await resumed.next(({ data }) => isInsertOf(data, second));
    expect(next.data['pid']).toBe(takeover.to);
    await resumed.close();
    await waitFor(async () => (await mailsOf(page)).length === 2, { message: 'both welcome mails' });
    expect(await mailsOf(page)).toEqual([
      expect.objectContaining({ userId: second, pid: takeover.to, calls: 1 }),
      // Called twice where the kill came before the checkpoint: at least once is what a kill leaves.
      expect.objectContaining({ userId: first, pid: takeover.from }),
    ]);
    await waitFor(
      async () => {
        const { processes } = (await (await groupAt('group')).json()) as FrontReport;
        return processes.length === 2 && !processes.includes(takeover.from);
      },
      { timeoutMillis: 20_000, message: 'another process in the place of the killed one' },
    );

    child.kill('SIGINT');
    expect((await end).code).toBe(0);
    await expect(fetch(page)).rejects.toThrow('fetch failed');
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

  it.each([
    ['--prot=1', "'--prot'"],
    ['--processes=0', '--processes is not a number from 1 to 9: 0'],
  ])('says what is wrong with the option %s', async (option, message) => {
    child = run(DEMO, option);
    expect(await ended(child)).toMatchObject({ code: 1, output: expect.stringContaining(message) as string });
  });
});

/** Its address, once it can be used. */
async function pageOf(child: ChildProcess): Promise<string> {
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await waitFor(() => output.includes('Ctrl-C'), { timeoutMillis: 50_000, message: 'the banner' });
  return /http:\/\/127\.0\.0\.1:\d+/.exec(output)?.[0] ?? '';
}

async function lookAt(page: string): Promise<Snapshot> {
  return (await (await fetch(`${page}/live`)).json()) as Snapshot;
}

async function retryState(page: string): Promise<string> {
  return (await lookAt(page)).status.retry.state;
}

async function mailsOf(page: string): Promise<WelcomeMail[]> {
  return (await lookAt(page)).mails;
}

/** @returns the new user's id */
async function addUser(page: string, name: string): Promise<number> {
  const answer = await fetch(`${page}/users`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name, email: `${name}@example.org` }),
  });
  return ((await answer.json()) as { id: number }).id;
}

function isInsertOf(data: Record<string, unknown>, userId: number): boolean {
  return data['action'] === 'insert' && (data['after'] as { id?: number }).id === userId;
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
