/**
 * The number that mysql2 makes of the server's text: up to 17 characters it adds up the digits itself, so that
 * a 16-digit fraction can come out one unit in the last place beside the nearest double (mysql2
 * `lib/packets/packet.js`, parseFloat). Rows have to equal mysql2's, so this does the same.
 */
export function parseNumber(text: string): number {
  if (text.length > 17 || /[eE]/.test(text)) return Number.parseFloat(text);
  let digits = 0;
  let divisor = 1;
  let afterPoint = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x2d) divisor = -1;
    else if (code === 0x2e) afterPoint = true;
    else {
      digits = digits * 10 + (code - 48);
      if (afterPoint) divisor *= 10;
    }
  }
  return digits / divisor;
}
