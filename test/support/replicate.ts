import type { SqlServer } from './servers';

/** The statements that make a server a replica of another one of the same kind, by GTID. */
export function replicate({ kind, port }: SqlServer): string {
  return kind === 'mysql'
    ? `CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT=${port}, SOURCE_USER='root', SOURCE_AUTO_POSITION=1; START REPLICA`
    : `CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=${port}, MASTER_USER='root', MASTER_USE_GTID=slave_pos; START SLAVE`;
}
