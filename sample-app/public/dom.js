export const $ = (id) => document.getElementById(id);

/**
 * An element. Text only ever goes through textContent, so that no value of a row is taken for markup.
 *
 * @example make('p', { className: 'muted' }, 'some text', make('b', {}, 'more'))
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  const { label, ...others } = properties;
  if (label !== undefined) element.setAttribute('aria-label', label);
  Object.assign(element, others);
  element.append(...children);
  return element;
}

/** Sets a text only when it differs, which keeps selections and screen readers in peace. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** The word and the colour of a state. */
export function setState(element, state) {
  setText(element, state);
  element.dataset.state = state;
}

const ANIMATIONS_MILLIS = 2400;
const timers = new WeakMap();

/** Marks an element for as long as the animations of the style sheet run; a second time starts them anew. */
export function flash(element, className) {
  const running = timers.get(element) ?? new Map();
  timers.set(element, running);
  clearTimeout(running.get(className));
  element.classList.remove(className);
  void element.offsetWidth;
  element.classList.add(className);
  running.set(
    className,
    setTimeout(() => element.classList.remove(className), ANIMATIONS_MILLIS),
  );
}

const NOTICE_MILLIS = 4000;
let noticeTimer;

/** A line at the bottom of the page, for a while. */
export function notice(text, { wrong = false } = {}) {
  const element = $('notice');
  element.textContent = text;
  element.classList.toggle('wrong', wrong);
  element.classList.add('shown');
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(() => element.classList.remove('shown'), NOTICE_MILLIS);
}
