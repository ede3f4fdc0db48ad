import type { SqlServer } from '../../../support/servers';
import { CharsetWriter } from './charset-writer';
import { HotWriter } from './hot-writer';
import { LargeWriter } from './large-writer';
import { LooseWriter } from './loose-writer';
import { RolledBackWriter } from './rolled-back-writer';
import { SavepointWriter } from './savepoint-writer';
import { SequenceWriter } from './sequence-writer';
import type { Writer, WriterTools } from './writer';
import { XaWriter } from './xa-writer';

type Kind = SqlServer['kind'];

/** A kind of writing besides the plain one. */
interface WriteKind {
  /** Of all that is written; 0 for what comes by the clock. */
  readonly share: number;
  readonly servers: readonly Kind[];
  make(tools: WriterTools, truncate: boolean): Writer;
}

const BOTH: readonly Kind[] = ['mysql', 'mariadb'];

/** Everything that is written besides plain transactions, by name. */
const KINDS = {
  rollback: { share: 0.05, servers: BOTH, make: (tools) => new RolledBackWriter(tools) },
  savepoint: { share: 0.06, servers: BOTH, make: (tools) => new SavepointWriter(tools) },
  large: { share: 0, servers: BOTH, make: (tools) => new LargeWriter(tools) },
  xa: { share: 0.06, servers: BOTH, make: (tools) => new XaWriter(tools) },
  charset: { share: 0.06, servers: BOTH, make: (tools, truncate) => new CharsetWriter(tools, truncate) },
  sequence: { share: 0.03, servers: ['mariadb'], make: (tools) => new SequenceWriter(tools) },
  loose: { share: 0.04, servers: ['mariadb'], make: (tools) => new LooseWriter(tools) },
  hot: { share: 0.1, servers: BOTH, make: (tools) => new HotWriter(tools) },
} satisfies Readonly<Record<string, WriteKind>>;

export type WriteName = keyof typeof KINDS;

export const WRITES: Readonly<Record<WriteName, WriteKind>> = KINDS;
export const WRITE_NAMES = Object.keys(KINDS) as WriteName[];

/** What is written, unless told otherwise, with so many processes of the app. */
export function writeNames(processes = 1): WriteName[] {
  // A seed stands for the same writes as ever.
  return processes > 1 ? WRITE_NAMES : WRITE_NAMES.filter((name) => name !== 'hot');
}

/** Those of these kinds that the server knows. */
export function writesOn(server: Kind, names: readonly WriteName[]): WriteName[] {
  return names.filter((name) => WRITES[name].servers.includes(server));
}
