import { api, attempt } from './api.js';
import { $, flash, make, notice } from './dom.js';
import { describeMail } from './mail.js';
import { makeRowList } from './row-list.js';
import { makeSlot } from './slot.js';

/** The rows of user.users: edited in place, read through the cache, deleted. */
export function makeUsers({ refresh, expectChange }) {
  function makeUser({ id, key }) {
    const name = field('title', 'name', 100);
    const email = field('', 'email', 190);
    const remove = make('button', { className: 'quiet', type: 'button' }, '×');
    const read = make('button', { className: 'read', type: 'button' }, 'Read');
    const mailed = make('span', { className: 'badge mailed' }, 'mailed');
    const slot = makeSlot(key, 'Read the user and its key appears.');
    slot.element.append(read);
    const record = make(
      'div',
      { className: 'record' },
      make('span', { className: 'id' }, String(id)),
      make('div', { className: 'fields' }, name.input, email.input),
      mailed,
      remove,
    );

    for (const { input, column, saved } of [name, email]) {
      const reset = () => (input.value = saved());
      input.addEventListener('keydown', (event) => {
        if (event.key === 'Enter') input.blur();
        if (event.key === 'Escape') {
          reset();
          input.blur();
        }
      });
      input.addEventListener('blur', async () => {
        if (input.value === saved()) return;
        expectChange(key);
        if (!(await attempt(() => api.changeUser(id, { [column]: input.value })))) reset();
        refresh();
      });
    }
    remove.addEventListener('click', async () => {
      expectChange(key);
      await attempt(() => api.removeUser(id));
      refresh();
    });
    read.addEventListener('click', async () => {
      await attempt(async () => {
        const start = performance.now();
        const found = await api.readUser(id);
        const millis = (performance.now() - start).toFixed(1);
        notice(
          found === 'hit'
            ? `Hit: Redis had user ${id} (${millis} ms)`
            : `Miss: user ${id} came from the database and is cached now (${millis} ms)`,
        );
      });
      refresh();
    });

    return {
      element: make('li', { className: 'row' }, record, slot.element),
      slot,
      update(user, { entries, mails }) {
        name.show(user);
        email.show(user);
        read.setAttribute('aria-label', `Read ${user.name} through the cache`);
        read.title = 'GET /users/' + id;
        remove.setAttribute('aria-label', `Delete ${user.name}`);
        remove.title = 'Delete the row';
        const mail = mails.get(user.id);
        mailed.hidden = !mail;
        mailed.title = mail ? describeMail(mail) : '';
        slot.update(entries.get(key));
      },
      mark: () => flash(record, 'changed'),
    };
  }

  const add = $('add');
  add.addEventListener('submit', async (event) => {
    event.preventDefault();
    const fields = Object.fromEntries(new FormData(add));
    if (await attempt(() => api.addUser(fields))) add.reset();
    refresh();
  });

  return makeRowList($('users'), makeUser);
}

/** An input that looks like text until one works with it, and is not overwritten meanwhile. */
function field(className, column, maxLength) {
  const input = make('input', { className, maxLength, autocomplete: 'off', spellcheck: false });
  let saved = '';
  return {
    input,
    column,
    saved: () => saved,
    show(user) {
      const isUntouched = input.value === saved;
      saved = user[column];
      input.setAttribute('aria-label', `${column} of user ${user.id}`);
      if (isUntouched || document.activeElement !== input) input.value = saved;
    },
  };
}
