import type { BinlogPosition } from '../change/position';
import type { TableShape } from '../change/stream';
import type { ConfigurationFault } from '../errors/configuration.error';

/** What a look at the source brought to light. */
export interface PreflightResult {
  /** The tail cannot work: the start fails. */
  readonly faults: ConfigurationFault[];
  /** It works, but somebody should know. */
  readonly warnings: string[];
  /** The watched tables that exist. */
  readonly shapes: TableShape[];
  /** Where the source was at that moment, where we may see it. */
  position?: BinlogPosition;
}
