import { notice } from './dom.js';

/** Calls the service. @throws Error with the service's own words */
async function call(method, path, body) {
  const json = body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  const response = await fetch(path, { method, ...json });
  if (!response.ok) {
    const { message } = await response.json().catch(() => ({ message: response.statusText }));
    throw new Error([message].flat().join('; '));
  }
  return response;
}

export const api = {
  snapshot: async () => (await call('GET', 'live')).json(),
  /** 'hit' or 'miss' */
  readUser: async (id) => (await call('GET', `users/${id}`)).headers.get('x-cache'),
  addUser: (fields) => call('POST', 'users', fields),
  changeUser: (id, fields) => call('PATCH', `users/${id}`, fields),
  removeUser: (id) => call('DELETE', `users/${id}`),
  saveSettings: (id, fields) => call('PUT', `users/${id}/settings`, fields),
  renameFromOutside: (id, name) => call('POST', 'live/outsider', { id, name }),
  takeMemory: () => call('POST', 'live/memory'),
  race: async () => (await call('POST', 'live/race')).json(),
  truncateUsers: () => call('POST', 'live/truncate'),
  /** Answered when another process leads. */
  killLeader: () => call('POST', 'demo/kill-leader'),
  /** Undefined where nothing is in front of the processes. */
  async front() {
    const response = await fetch('demo/group');
    return response.ok ? response.json() : undefined;
  },
  requeue: (id) => call('POST', `live/dead-letters/${encodeURIComponent(id)}/requeue`),
  discard: (id) => call('DELETE', `live/dead-letters/${encodeURIComponent(id)}`),
};

/** Does what a control was made for; a refusal is told. @returns whether it went well */
export async function attempt(action) {
  try {
    await action();
    return true;
  } catch (error) {
    notice(error.message, { wrong: true });
    return false;
  }
}
