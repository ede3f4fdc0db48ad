import { decode, encodingExists } from 'iconv-lite';

/** Text from a stretch of bytes. */
export type TextDecoder = (buf: Buffer, start: number, end: number) => string;

/** Node's slice methods: they spare the look-up of the encoding's name, and the types do not know them. */
interface SliceableBuffer extends Buffer {
  utf8Slice(start: number, end: number): string;
  latin1Slice(start: number, end: number): string;
}

/** Up to this length it is faster to look at the bytes in JavaScript than to call into Node. */
const SHORT = 24;

/** utf8mb3, utf8mb4 and ascii. */
export function utf8(buf: Buffer, start: number, end: number): string {
  if (end - start > SHORT) return (buf as SliceableBuffer).utf8Slice(start, end);
  let text = '';
  for (let i = start; i < end; i++) {
    const byte = buf[i]!;
    if (byte >= 0x80) return (buf as SliceableBuffer).utf8Slice(start, end);
    text += String.fromCharCode(byte);
  }
  return text;
}

/** iconv-lite's names where they differ from the server's, or mean another byte order there. */
const ICONV_NAMES: Record<string, string> = {
  latin1: 'cp1252',
  ucs2: 'utf16-be',
  utf16: 'utf16-be',
  utf16le: 'utf16-le',
  utf32: 'utf32-be',
  ujis: 'eucjp',
  eucjpms: 'eucjp',
  macce: 'maccenteuro',
};

const UTF8 = new Set(['utf8', 'utf8mb3', 'utf8mb4', 'ascii']);

/** The decoder of a server's character set; undefined for one that cannot be decoded here. */
export function textDecoder(charset: string): TextDecoder | undefined {
  if (UTF8.has(charset)) return utf8;
  const name = ICONV_NAMES[charset] ?? charset;
  if (!encodingExists(name)) return undefined;
  // U+FEFF at the beginning is data: the byte order of a column is fixed.
  return (buf, start, end) => decode(buf.subarray(start, end), name, { stripBOM: false });
}
