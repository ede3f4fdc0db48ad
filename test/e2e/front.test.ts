import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Front, type Fronted, type Target } from '../../sample-app/demo/front';
import { waitFor } from '../support/wait-for';

/** Nothing listens at it; port 1 is reserved. */
const DEAD: Target = { pid: 1, port: 1 };

describe('the address in front of the demo’s processes', () => {
  const servers: Server[] = [];
  let group: { -readonly [K in keyof Fronted]: Fronted[K] };
  let front: Front;
  let url: string;
  let leaderChanged: () => void;

  beforeEach(async () => {
    group = {
      serving: [],
      leader: undefined,
      takeover: undefined,
      onLeader: (listener) => (leaderChanged = listener),
      killLeader: () => Promise.reject(new Error('Nobody is killed here')),
    };
    front = new Front(group);
    url = await front.listen(0);
  });
  afterEach(async () => {
    await front.close();
    for (const server of servers.splice(0)) {
      server.close();
      server.closeAllConnections();
    }
  });

  async function startProcess(pid: number, answer: RequestListener): Promise<Target> {
    const server = createServer(answer);
    servers.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return { pid, port: (server.address() as AddressInfo).port };
  }

  function openStream(): Promise<Response> {
    return fetch(`${url}/events`, { headers: { accept: 'text/event-stream' } });
  }

  it('passes a request on with its body, and the answer back with its status', async () => {
    const echo = await startProcess(2, (request, response) => {
      response.writeHead(201, { 'x-path': request.url });
      request.pipe(response);
    });
    group.serving = [echo];
    const answer = await fetch(`${url}/users?a=1`, { method: 'POST', body: 'name' });
    expect([answer.status, answer.headers.get('x-path'), await answer.text()]).toEqual([
      201,
      '/users?a=1',
      'name',
    ]);
  });

  it('asks the next process when one is gone, but never repeats a change', async () => {
    const alive = await startProcess(2, (_request, response) => response.end('here'));
    group.serving = [DEAD, alive];
    expect(await (await fetch(`${url}/live`)).text()).toBe('here');
    const refused = await fetch(`${url}/users`, { method: 'POST', body: '{}' });
    expect(refused.status).toBe(503);
    expect(await refused.json()).toEqual({
      message: 'Process 1 has ended meanwhile; look whether it was done',
    });
  });

  it('breaks a stream off when another process leads, so that the browser asks for that one’s', async () => {
    const stream: RequestListener = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(': still here\n\n');
    };
    const [old, next] = await Promise.all([startProcess(2, stream), startProcess(3, stream)]);
    group.serving = [old, next];
    group.leader = old;
    const first = await openStream();
    group.serving = [next, old];
    group.leader = next;
    leaderChanged();
    await expect(first.text()).rejects.toThrow('terminated');

    const second = await openStream();
    leaderChanged();
    const reader = second.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    await waitFor(async () => (text += (await reader?.read())?.value ?? '').includes('still here'));
    expect(text).toContain('retry: 300\n\n');
    await reader?.cancel();
    // Sooner than the front gives up a stream on which nothing comes.
  }, 10_000);

  it('has no answer to a stream while no process lives, since a browser would give it up for good', async () => {
    await expect(openStream()).rejects.toThrow('fetch failed');
    expect((await fetch(`${url}/live`)).status).toBe(503);
    group.serving = [DEAD];
    await expect(openStream()).rejects.toThrow('fetch failed');
  });

  it('lets no other site of the browser, and no other name of the address, kill a process', async () => {
    const kill = (headers: Record<string, string>) =>
      fetch(`${url}/demo/kill-leader`, { method: 'POST', headers });
    expect((await kill({ origin: 'http://elsewhere.example' })).status).toBe(403);
    expect((await kill({ origin: url })).status).toBe(503);
    expect(await (await kill({ origin: url })).json()).toEqual({ message: 'Nobody is killed here' });
  });
});
