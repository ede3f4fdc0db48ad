import { textDecoder } from '../charset';
import type { Column } from '../column';
import type { Cursor } from '../cursor';
import type { Reader } from './reader';

/** ENUM: the label's number from 1 on; 0 is the empty string that stands for an invalid value. */
export function enumReader(column: Column): Reader {
  const labels = ['', ...labelTexts(column)];
  const { meta } = column.map;
  if (column.charset === 'binary') {
    return (cursor) => Buffer.from(labels[cursor.uintLE(meta)] ?? '', 'latin1');
  }
  return (cursor) => labels[cursor.uintLE(meta)] ?? '';
}

/** SET: one bit per label, little-endian; up to 64 of them. */
export function setReader(column: Column): Reader {
  const labels = labelTexts(column);
  const { meta } = column.map;
  const read = (cursor: Cursor): string => {
    const low = cursor.uintLE(Math.min(meta, 4));
    const high = meta > 4 ? cursor.uintLE(meta - 4) : 0;
    let text = '';
    for (let i = 0; i < labels.length; i++) {
      const bits = i < 32 ? low : high;
      if ((bits & (1 << (i & 31))) !== 0) text = text === '' ? labels[i]! : `${text},${labels[i]!}`;
    }
    return text;
  };
  return column.charset === 'binary' ? (cursor) => Buffer.from(read(cursor), 'latin1') : read;
}

/** Binary labels stay one character per byte. */
function labelTexts({ labels, charset }: Column): string[] {
  const decode = charset === 'binary' ? undefined : textDecoder(charset);
  return labels.map((label) => {
    if (typeof label === 'string') return label;
    return decode ? decode(label, 0, label.length) : label.toString('latin1');
  });
}
