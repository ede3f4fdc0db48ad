import { api, attempt } from './api.js';
import { $, make, setText } from './dom.js';

/** As many as the service races over, so that the page does not move when the result comes. */
const CELLS = 200;
const WORDS = { right: 'as its row', stale: 'stale', absent: 'not cached' };

/** Readers against a writer, once by hand and once with leases. */
export function makeRace({ refresh }) {
  const button = $('run-race');
  const sides = { plain: makeSide($('race-plain')), leased: makeSide($('race-leased')) };

  button.addEventListener('click', async () => {
    button.disabled = true;
    setText(button, 'Running …');
    await attempt(async () => {
      const result = await api.race();
      for (const [name, side] of Object.entries(sides)) side.show(result[name]);
      setText($('race-note'), noteOn(result));
    });
    setText(button, 'Run the race again');
    button.disabled = false;
    refresh();
  });
}

function makeSide(element) {
  const cells = element.querySelector('.cells');
  cells.append(...Array.from({ length: CELLS }, () => make('span')));
  return {
    show({ keys, stale, reads, loads, writes, refusedFills, millis }) {
      cells.replaceChildren(
        ...keys.map((state, index) =>
          make('span', { className: state, title: `${index + 1}: ${WORDS[state]}` }),
        ),
      );
      cells.setAttribute('aria-label', `${stale} of ${keys.length} keys are stale`);
      element.classList.toggle('wrong', stale > 0);
      setText(element.querySelector('.stale-count'), String(stale));
      setText(element.querySelector('.stale-of'), `of ${keys.length} keys stale`);
      const figures = [
        `${count(reads)} reads`,
        `${count(loads)} of them from the database`,
        `${count(writes)} changes`,
        `${count(refusedFills)} fills refused`,
        `${(millis / 1000).toFixed(1)} s`,
      ];
      setText(element.querySelector('.figures'), figures.join(' · '));
    },
  };
}

/** What may be concluded, and what not. */
function noteOn({ plain, leased }) {
  const origin = `These figures come from this very run, at ${new Date().toLocaleTimeString()}, on the database and the Redis of this page; the next run has others.`;
  if (leased.stale > 0) return `${origin} A stale key beside getOrLoad must not be: please report it.`;
  if (plain.stale > 0) return origin;
  return `${origin} This time no reader by hand came at the wrong moment: run it again.`;
}

function count(number) {
  return number.toLocaleString('en');
}
