import type { CacheflowError } from '../errors/cacheflow.error';
import type { TransactionPiece } from '../change/stream';

/** Who reads the stream. */
export interface StreamSink {
  /** A transaction or a piece of one, in commit order. */
  piece(piece: TransactionPiece): void;
  /** Something in the stream could not be understood; a flush that makes up for it is in the stream. */
  fault(error: CacheflowError): void;
  /** Something happened that somebody may want to find in the log. */
  note(message: string): void;
  /** The stream broke; nothing comes after it. */
  broken(error: Error): void;
}
