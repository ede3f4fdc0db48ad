import { inflateRawSync, inflateSync } from 'node:zlib';
import { CorruptEventError } from '../cursor';

/**
 * A value of a MariaDB COMPRESSED column (MariaDB `sql/field_comp.cc`). The high half of its first byte is the
 * method: 0 stored, 8 zlib. With zlib the three lowest bits are the bytes of the length that follows, and bit 3
 * says that the stream has no zlib header. An empty value has no first byte.
 */
export function inflateColumn(stored: Buffer): Buffer {
  const header = stored[0];
  if (header === undefined) return stored;
  const method = header >> 4;
  if (method === 0) return stored.subarray(1);
  if (method !== 8) throw new CorruptEventError(`a COMPRESSED column has the unknown method ${method}`);
  const stream = stored.subarray(1 + (header & 7));
  return header & 8 ? inflateRawSync(stream) : inflateSync(stream);
}
