// The value is an SRID of four bytes and the well-known binary of OGC 06-103r4. mysql2 leaves the SRID out and
// turns points into {x, y} and everything else into arrays (mysql2 `lib/packets/packet.js`, parseGeometryValue).

interface Point {
  x: number;
  y: number;
}
type Geometry = Point | Point[] | Point[][] | Geometry[] | null;

const SRID_BYTES = 4;

export function geometryFinish(buf: Buffer, start: number, end: number): Geometry {
  if (start === end) return null;
  return new GeometryParser(buf, start + SRID_BYTES, end).geometry();
}

class GeometryParser {
  constructor(
    private readonly buf: Buffer,
    private pos: number,
    private readonly end: number,
  ) {}

  geometry(): Geometry {
    if (this.pos + 5 > this.end) return null;
    const little = this.buf[this.pos++] !== 0;
    const type = this.uint32(little);
    switch (type) {
      case 1:
        return this.point(little);
      case 2:
        return this.points(little);
      case 3:
        return this.list(little, 4, () => this.points(little));
      case 4:
      case 5:
      case 6:
      case 7:
        return this.list(little, 9, () => this.geometry());
      default:
        return null;
    }
  }

  private points(little: boolean): Point[] {
    return this.list(little, 16, () => this.point(little));
  }

  /** A count and that many items; the smallest size of an item keeps a corrupt count from being believed. */
  private list<T>(little: boolean, itemBytes: number, item: () => T): T[] {
    const count = this.uint32(little);
    if (count > (this.end - this.pos) / itemBytes) return [];
    return Array.from({ length: count }, item);
  }

  private point(little: boolean): Point {
    const x = this.double(little);
    return { x, y: this.double(little) };
  }

  private uint32(little: boolean): number {
    const { pos } = this;
    this.pos += 4;
    return little ? this.buf.readUInt32LE(pos) : this.buf.readUInt32BE(pos);
  }

  private double(little: boolean): number {
    const { pos } = this;
    this.pos += 8;
    return little ? this.buf.readDoubleLE(pos) : this.buf.readDoubleBE(pos);
  }
}
