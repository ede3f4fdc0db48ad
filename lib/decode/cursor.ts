/** A place in the bytes of one event. Readers take their value at `pos` and move it past the value. */
export class Cursor {
  constructor(
    public buf: Buffer,
    public pos: number,
    public end: number,
  ) {}

  /** Moves past `length` bytes and returns where they begin. */
  take(length: number): number {
    const start = this.pos;
    const next = start + length;
    // Written so that NaN, which comes of a length read past the buffer's end, fails as well.
    if (!(length >= 0 && next <= this.end))
      throw new CorruptEventError('a length points past the end of the event');
    this.pos = next;
    return start;
  }

  /** An unsigned little-endian integer of 1 to 4 bytes; the length prefix of strings and blobs. */
  uintLE(bytes: number): number {
    const { buf, pos } = this;
    this.pos = pos + bytes;
    switch (bytes) {
      case 1:
        return buf[pos]!;
      case 2:
        return buf[pos]! | (buf[pos + 1]! << 8);
      case 3:
        return buf[pos]! | (buf[pos + 1]! << 8) | (buf[pos + 2]! << 16);
      default:
        return (buf[pos]! | (buf[pos + 1]! << 8) | (buf[pos + 2]! << 16)) + buf[pos + 3]! * 0x1000000;
    }
  }

  /** An unsigned big-endian integer of 1 to 6 bytes, as in dates and times. */
  uintBE(bytes: number): number {
    const { buf, pos } = this;
    this.pos = pos + bytes;
    switch (bytes) {
      case 1:
        return buf[pos]!;
      case 2:
        return (buf[pos]! << 8) | buf[pos + 1]!;
      case 3:
        return (buf[pos]! << 16) | (buf[pos + 1]! << 8) | buf[pos + 2]!;
      case 4:
        return ((buf[pos]! << 24) | (buf[pos + 1]! << 16) | (buf[pos + 2]! << 8) | buf[pos + 3]!) >>> 0;
      default:
        return buf.readUIntBE(pos, bytes);
    }
  }

  /** A length-encoded integer (MySQL `mysys/pack.cc`, net_field_length). */
  lengthEncoded(): number {
    const first = this.uintLE(1);
    if (first < 251) return first;
    if (first === 252) return this.uintLE(2);
    if (first === 253) return this.uintLE(3);
    if (first === 254) {
      const low = this.uintLE(4);
      return low + this.uintLE(4) * 0x100000000;
    }
    throw new CorruptEventError('a length is not a length-encoded integer');
  }

  /** A copy of the next `length` bytes, so that it does not keep the network packet alive. */
  copy(length: number): Buffer {
    const start = this.take(length);
    return Buffer.from(this.buf.subarray(start, start + length));
  }
}

/** The bytes of an event contradict themselves. The message never holds a row value. */
export class CorruptEventError extends Error {
  override readonly name = 'CorruptEventError';
}
