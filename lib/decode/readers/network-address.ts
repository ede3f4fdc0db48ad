import { paddedTo } from './bytes';

// MariaDB's UUID, INET4 and INET6 are fixed binary strings that lose their trailing zeros like BINARY(n)
// (MariaDB `sql/sql_type_fixedbin.h`); their text is the server's (`plugin/type_uuid`, `plugin/type_inet`).

type Finish = (buf: Buffer, start: number, end: number) => string;

const pad16 = paddedTo(16);
const pad4 = paddedTo(4);

export const uuidFinish: Finish = (buf, start, end) => {
  const hex = pad16(buf, start, end).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
};

export const inet4Finish: Finish = (buf, start, end) => pad4(buf, start, end).join('.');

/** Eight groups, the longest run of zeros left out, and the last two groups nameOf after ::ffff or after six zeros. */
export const inet6Finish: Finish = (buf, start, end) => {
  const address = pad16(buf, start, end);
  const groups = Array.from({ length: 8 }, (_, i) => address.readUInt16BE(i * 2));
  const gap = longestZeroRun(groups);
  const nameOf = gap.start === 0 && (gap.length === 6 || (gap.length === 5 && groups[5] === 0xffff));
  if (nameOf) {
    return `::${gap.length === 5 ? 'ffff:' : ''}${address.subarray(12).join('.')}`;
  }
  if (gap.length === 0) return groupText(groups);
  return `${groupText(groups.slice(0, gap.start))}::${groupText(groups.slice(gap.start + gap.length))}`;
};

function groupText(groups: number[]): string {
  return groups.map((group) => group.toString(16)).join(':');
}

/** The leftmost of the longest ones. */
function longestZeroRun(groups: number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let length = 0;
  groups.forEach((group, i) => {
    length = group === 0 ? length + 1 : 0;
    if (length > best.length) best = { start: i - length + 1, length };
  });
  return best;
}
