/** The code that a reply of Redis begins with; the rest may quote the command. */
export function replyCode(reply: string): string {
  return /^[A-Z]+/.exec(reply)?.[0] ?? 'an error';
}
