import { api, attempt } from './api.js';
import { $, make, setText } from './dom.js';
import { makeRowList } from './row-list.js';

/** The processes that share one tail, as the library tells it; with the demo in front of them, a way to kill one. */
export function makeGroup({ refresh }) {
  const button = $('kill-leader');
  const members = makeRowList($('members'), makeMember);
  // One process alone has no panel, and nobody in front of it who could be asked.
  let isGroup = false;
  let hasFront = true;

  button.addEventListener('click', async () => {
    button.disabled = true;
    setText(button, 'Killed; waiting …');
    await attempt(api.killLeader);
    setText(button, 'Kill the leader');
    button.disabled = false;
    refresh();
  });

  return {
    async update({ status }) {
      const { group } = status;
      isGroup ||= group.members.length > 1;
      if (!isGroup) return;
      const front = hasFront ? await api.front() : undefined;
      hasFront = front !== undefined;
      const leader = group.members.find(({ id }) => id === group.leader);
      members.update(
        group.members.map((member) => ({
          key: member.id,
          member,
          isLeader: member === leader,
          isGone: front !== undefined && !front.processes.includes(member.pid),
        })),
      );
      setText($('term'), String(group.term));
      setText($('leader'), leader ? String(leader.pid) : 'nobody at the moment');
      setText($('takeover'), describe(front?.takeover));
      button.hidden = !hasFront;
      $('group').hidden = false;
    },
  };
}

function makeMember({ member }) {
  const role = make('span', { className: 'badge' });
  const since = new Date(member.since);
  return {
    element: make(
      'tr',
      {},
      make('th', { scope: 'row', className: 'mono' }, String(member.pid)),
      make('td', {}, role),
      make('td', {}, make('time', { dateTime: since.toISOString() }, since.toLocaleTimeString())),
    ),
    update({ isLeader, isGone }) {
      const word = isGone ? 'gone' : isLeader ? 'leader' : 'standby';
      role.className = `badge ${word}`;
      setText(role, word);
    },
  };
}

function describe(takeover) {
  if (!takeover) return '';
  const { from, to, millis } = takeover;
  return `Process ${to} took over from ${from} after ${millis} ms.`;
}
