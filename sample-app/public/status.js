import { $, setState, setText } from './dom.js';

/** The tail's status as `CacheflowService.status()` gives it. */
export function showStatus({ state, reason, position, lag, counters }) {
  showState(state, reason);
  setText($('position'), position ? `${position.file}:${position.offset}` : '–');
  $('position').title = position?.gtidSet ?? '';
  setText($('lag'), `${lag.millis} ms`);
  for (const name of ['changes', 'invalidated', 'written', 'errors']) {
    setText($(name), counters[name].toLocaleString('en'));
  }
}

/** When the service itself does not answer. */
export function showUnreachable() {
  showState('unreachable', 'The service does not answer; the page tries again.');
}

function showState(state, reason) {
  setState($('state'), state);
  $('state').title = reason ?? '';
}
