import { foldName } from './general-ci';

/** The savepoints of a transaction, each with how far it had come by then. */
export class Savepoints<Mark> {
  private points: { readonly name: string; readonly mark: Mark }[] = [];

  /** Sets a savepoint; one of the same name is replaced. */
  set(name: string, mark: Mark): void {
    const folded = foldName(name);
    if (this.points.length > 0) this.points = this.points.filter((point) => point.name !== folded);
    this.points.push({ name: folded, mark });
  }

  /** Goes back to a savepoint, which stays; those after it are gone. Undefined: there is none of that name. */
  rollbackTo(name: string): Mark | undefined {
    const folded = foldName(name);
    const at = this.points.findIndex((point) => point.name === folded);
    if (at < 0) return undefined;
    this.points.length = at + 1;
    return this.points[at]?.mark;
  }

  clear(): void {
    if (this.points.length > 0) this.points = [];
  }
}
