import { decode, encodingExists } from 'iconv-lite';
import { SWE7_LOWER_HALF, UPPER_HALVES } from './single-byte-charsets';

/** Text from a stretch of bytes. */
export type TextDecoder = (buf: Buffer, start: number, end: number) => string;

/** Node's slice methods: they spare the look-up of the encoding's name, and the types do not know them. */
interface SliceableBuffer extends Buffer {
  utf8Slice(start: number, end: number): string;
  latin1Slice(start: number, end: number): string;
}

/** Up to this length it is faster to look at the bytes in JavaScript than to call into Node. */
const SHORT = 8;

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

const UTF8 = new Set(['utf8', 'utf8mb3', 'utf8mb4', 'ascii']);

/**
 * The decoder of a server's character set, to the text that the server sends a utf8mb4 client; undefined for a
 * set that is not known.
 *
 * utf8mb4 and the single-byte sets are exact. The others go through iconv-lite, which knows characters where the
 * servers have none or a private one (in gbk, gb2312, gb18030, euckr, cp932, ujis and eucjpms), and other ones in
 * the rows c6 and c7 of big5 and for 8fa2b7 of ujis.
 */
export function textDecoder(charset: string): TextDecoder | undefined {
  if (UTF8.has(charset)) return utf8;
  const upperHalf = UPPER_HALVES[charset];
  if (upperHalf !== undefined) return singleByte(upperHalf, charset === 'swe7' ? SWE7_LOWER_HALF : undefined);
  return multiByte(charset);
}

function singleByte(upperHalf: string, lowerHalf: string | undefined): TextDecoder {
  const characters = Array.from({ length: 256 }, (_, byte) =>
    byte < 0x80 ? (lowerHalf?.[byte] ?? String.fromCharCode(byte)) : upperHalf[byte - 0x80]!,
  );
  return (buf, start, end) => {
    let text = '';
    for (let i = start; i < end; i++) text += characters[buf[i]!]!;
    return text;
  };
}

/** iconv-lite's names where they differ from the server's, or mean another byte order there. */
const ICONV_NAMES: Record<string, string> = {
  ucs2: 'utf16-be',
  utf16: 'utf16-be',
  utf16le: 'utf16-le',
  utf32: 'utf32-be',
  ujis: 'eucjp',
  eucjpms: 'eucjp',
};

const JIS_SYMBOLS = { iconv: '～∥－＼￠￡￢', server: '〜‖−\\¢£¬' };

/** Characters for which the servers have another code point than iconv-lite. */
const OTHER_CHARACTERS: Record<string, { iconv: string; server: string }> = {
  sjis: JIS_SYMBOLS,
  ujis: JIS_SYMBOLS,
  gb2312: { iconv: '·—', server: '・―' },
  big5: { iconv: '‧﹑╴¯￣ˍ～⊕⊙／＼∕﹨￥￠￡', server: '•､\ufffd‾\ufffd\ufffd∼♁☉\ufffd\ufffd／＼¥¢£' },
};

function multiByte(charset: string): TextDecoder | undefined {
  const name = ICONV_NAMES[charset] ?? charset;
  if (!encodingExists(name)) return undefined;
  // U+FEFF at the beginning is data: the byte order of a column is fixed.
  const toText: TextDecoder = (buf, start, end) =>
    decode(buf.subarray(start, end), name, { stripBOM: false });
  const other = OTHER_CHARACTERS[charset];
  if (other === undefined) return toText;
  const pattern = new RegExp(`[${other.iconv}]`, 'g');
  return (buf, start, end) =>
    toText(buf, start, end).replace(pattern, (char) => other.server[other.iconv.indexOf(char)]!);
}
