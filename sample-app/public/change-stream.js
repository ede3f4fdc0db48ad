const AGAIN_MILLIS = 1000;

/** The changes as they come, for as long as the page is open: the browser itself gives up at some answers. */
export function openChangeStream({ onChange, onOpen, onBreak }) {
  const events = new EventSource('events');
  events.addEventListener('change', ({ data }) => onChange(JSON.parse(data)));
  // Also after a break: what was missed comes by itself, since the browser sends the last id.
  events.addEventListener('open', onOpen);
  events.addEventListener('error', () => {
    onBreak();
    if (events.readyState !== EventSource.CLOSED) return;
    setTimeout(() => openChangeStream({ onChange, onOpen, onBreak }), AGAIN_MILLIS);
  });
}
