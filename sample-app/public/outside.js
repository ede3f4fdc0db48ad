import { api, attempt } from './api.js';
import { $, make, notice, setText } from './dom.js';

/** The statement that somebody else runs: by the button, or by the person at a terminal. */
export function makeOutside({ refresh, expectChange }) {
  const form = $('outside');
  const { id, name } = form.elements;
  let servers;
  let users = [];

  function showCommands() {
    if (!servers || users.length === 0) return;
    const statement = `UPDATE user.users SET name = ${sqlText(name.value)} WHERE id = ${id.value}`;
    const { mysql, redis } = servers;
    setText(
      $('mysql-command'),
      `mysql --host=${mysql.host} --port=${mysql.port} --user=${mysql.user} --execute=${shellText(statement)}`,
    );
    setText($('redis-command'), `redis-cli -h ${redis.host} -p ${redis.port} GET user:users:${id.value}`);
  }

  function suggestName() {
    const user = users.find((candidate) => String(candidate.id) === id.value);
    name.value = user ? otherName(user.name) : '';
  }

  id.addEventListener('change', () => {
    suggestName();
    showCommands();
  });
  name.addEventListener('input', showCommands);
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    expectChange(`user:users:${id.value}`);
    await attempt(() => api.renameFromOutside(Number(id.value), name.value));
    refresh();
  });
  for (const button of document.querySelectorAll('[data-copies]')) {
    button.addEventListener('click', () =>
      attempt(async () => {
        await navigator.clipboard.writeText($(button.dataset.copies).textContent);
        notice('Copied');
      }),
    );
  }

  return {
    update(snapshot) {
      ({ servers, users } = snapshot);
      const options = users.map((user) => [String(user.id), `${user.id} · ${user.name}`]);
      const isSame =
        options.length === id.options.length &&
        options.every(
          ([value, label], index) => id.options[index].value === value && id.options[index].text === label,
        );
      if (!isSame) {
        const chosen = id.value;
        id.replaceChildren(...options.map(([value, label]) => make('option', { value }, label)));
        if (options.some(([value]) => value === chosen)) id.value = chosen;
        if (document.activeElement !== name) suggestName();
      }
      showCommands();
    },
  };
}

/** A name that differs, so that the row does change. */
function otherName(name) {
  return name.endsWith(' II') ? name.slice(0, -3) : `${name} II`;
}

function sqlText(text) {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}

function shellText(text) {
  return /['\\$`!]/.test(text) && !/["\\$`!]/.test(text) ? `"${text}"` : `'${text.replaceAll("'", `'\\''`)}'`;
}
