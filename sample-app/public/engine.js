import { api, attempt } from './api.js';
import { $, make, notice, setState, setText } from './dom.js';
import { makeRowList } from './row-list.js';

/** What the library does behind the keys: retries, dead letters, waits, flushes, reads; and two ways to make it work. */
export function makeEngine({ refresh }) {
  async function run(action, done) {
    if (await attempt(action)) notice(done);
    refresh();
  }

  $('take-memory').addEventListener('click', () =>
    run(api.takeMemory, 'Redis refuses values for 5 s: change settings, and see their key come back'),
  );
  $('truncate').addEventListener('click', () => run(api.truncateUsers, 'All keys of user.users had to go'));

  function makeLetter({ letter }) {
    const { id, kind, key, table, reason, attempts, position } = letter;
    const what = key ?? table ?? 'a message';
    const button = (text, action, done) => {
      const element = make('button', { type: 'button', label: `${text} ${what}` }, text);
      element.addEventListener('click', () => run(() => action(id), done));
      return element;
    };
    return {
      element: make(
        'li',
        {},
        make(
          'div',
          { title: position ? `${position.file}:${position.offset}` : '' },
          make('p', { className: 'mono' }, what),
          make('p', { className: 'muted' }, `${kind} · ${reason} · ${attempts} attempts`),
        ),
        button('Requeue', api.requeue, 'It is tried again'),
        button('Discard', api.discard, 'Discarded'),
      ),
      update: () => undefined,
    };
  }
  const letters = makeRowList($('dead-letters'), makeLetter);

  return {
    update({ status, deadLetters }) {
      const { retry, barrier, flushing, cache } = status;
      setState($('retry-state'), retry.state);
      for (const name of ['parked', 'retried', 'deadLettered']) {
        setText($(name), retry[name].toLocaleString('en'));
      }
      setText($('barrier'), barrier.waitingSince ? `${Date.now() - barrier.waitingSince} ms` : 'no');
      setText($('flushing'), flushing?.of ?? 'no');
      $('flushing').title = flushing ? `${flushing.removed} keys so far` : '';
      for (const name of ['hits', 'misses', 'loads', 'fills', 'refusedFills']) {
        setText($(name), cache[name].toLocaleString('en'));
      }
      setText($('bypassed'), cache.bypassedSince ? `${Date.now() - cache.bypassedSince} ms` : 'no');
      letters.update(deadLetters.map((letter) => ({ key: letter.id, letter })));
      const isAway = retry.state === 'connecting' || retry.state === 'blocked';
      setText($('letters-empty'), deadLetters.length > 0 ? '' : isAway ? ': out of reach' : ': none');
    },
  };
}
