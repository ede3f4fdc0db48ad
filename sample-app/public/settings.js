import { api, attempt } from './api.js';
import { $, flash, make, setText } from './dom.js';
import { makeRowList } from './row-list.js';
import { makeSlot } from './slot.js';

/** The rows of user.settings: one for each user, created by the first change. */
export function makeSettings({ refresh, expectChange }) {
  function makeSettingsRow({ id, key }) {
    const title = make('div', { className: 'title' });
    const theme = make('select', {}, make('option', {}, 'light'), make('option', {}, 'dark'));
    const newsletter = make('input', { type: 'checkbox' });
    const slot = makeSlot(key, 'Change the row and its key appears.');
    const record = make(
      'div',
      { className: 'record' },
      make('span', { className: 'id' }, String(id)),
      make('div', { className: 'fields' }, title),
      make('label', { className: 'choice' }, make('span', { className: 'sr' }, `Theme of user ${id}`), theme),
      make(
        'label',
        { className: 'check' },
        newsletter,
        'News',
        make('span', { className: 'sr' }, ` for user ${id}`),
      ),
    );
    for (const control of [theme, newsletter]) {
      control.addEventListener('change', async () => {
        expectChange(key);
        await attempt(() => api.saveSettings(id, { theme: theme.value, newsletter: newsletter.checked }));
        refresh();
      });
    }
    return {
      element: make('li', { className: 'row' }, record, slot.element),
      slot,
      update({ name, row }, { entries }) {
        setText(title, name);
        theme.value = row?.theme ?? 'light';
        newsletter.checked = row?.newsletter === 1;
        slot.update(entries.get(key));
      },
      mark: () => flash(record, 'changed'),
    };
  }

  return makeRowList($('settings'), makeSettingsRow);
}
