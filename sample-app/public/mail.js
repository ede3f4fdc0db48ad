/** Who was called for the insert of a user, and how often in all processes together. */
export function describeMail({ pid, calls }) {
  const times = calls === 1 ? 'once' : `${calls} times`;
  return `Welcome mail: the handler was called ${times}, by process ${pid}`;
}
