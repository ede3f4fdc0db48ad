/** From when on a server wrote: it is the source of all its transactions with a higher number. */
export interface Epoch {
  readonly source: string;
  readonly after: number;
}

/** Where a change stands among all: the epoch, the number of its transaction, and its row within it. */
export type CommitPlace = readonly [epoch: number, transaction: number, row: number];

/**
 * Makes places of GTIDs, which a failover keeps while files and offsets change. MariaDB counts on over all servers;
 * MySQL counts for each server, so that it has to be known who wrote when.
 *
 * @param epochs in the order of time; none where one server wrote all
 */
export function commitPlace(gtid: string, row: number, epochs: readonly Epoch[]): CommitPlace {
  const mysql = /^([^:]+):(?:[^:]+:)?(\d+)$/.exec(gtid);
  if (!mysql) {
    const mariadb = /^\d+-\d+-(\d+)$/.exec(gtid);
    if (!mariadb) throw new Error(`"${gtid}" is no GTID`);
    return [0, Number(mariadb[1]), row];
  }
  const [source = '', number] = [mysql[1], Number(mysql[2])];
  const epoch = epochs.findLastIndex((each) => each.source === source && number > each.after);
  if (epoch < 0 && epochs.length > 0) throw new Error(`Nobody wrote ${gtid}`);
  return [Math.max(0, epoch), number, row];
}

export function comparePlaces(a: CommitPlace, b: CommitPlace): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
}
