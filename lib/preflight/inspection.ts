import type { CacheflowConfig } from '../config/cacheflow.config';
import type { ControlConnection, ServerInfo } from '../mysql/control-connection';
import type { ExistingTable } from '../mysql/existing-tables';
import type { PreflightResult } from './preflight-result';

/** What each check looks at, and where it writes down what it finds. */
export interface Inspection {
  readonly control: ControlConnection;
  readonly server: ServerInfo;
  readonly config: CacheflowConfig;
  /** Global variables of the server. */
  readonly settings: ReadonlyMap<string, string>;
  /** All tables that the user may see. */
  readonly existing: readonly ExistingTable[];
  readonly result: PreflightResult;
}
