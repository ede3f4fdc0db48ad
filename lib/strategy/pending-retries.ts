const MAX_KEYS = 100_000;

/**
 * - `latest`: no newer change of the key has come by since it was parked
 * - `superseded`: one has
 * - `unknown`: another process parked it, or this one before it was restarted
 */
export type PendingState = 'latest' | 'superseded' | 'unknown';

/**
 * What was parked, as far as this process knows: while nothing newer of a key has come by, its retry may write it even
 * where Redis has no record of the key.
 */
export class PendingRetries {
  /** The parked version of each key; undefined once a newer change came by. */
  private readonly versions = new Map<string, string | undefined>();

  /** A change of the key was parked. Beyond the bound nothing is known of it. */
  add(key: string, version: string): void {
    if (this.versions.size < MAX_KEYS || this.versions.has(key)) this.versions.set(key, version);
  }

  /** A newer change of the key came by. */
  supersede(key: string): void {
    if (this.versions.size > 0 && this.versions.has(key)) this.versions.set(key, undefined);
  }

  /** Keys were removed of which nobody knows the names. */
  supersedeAll(): void {
    for (const key of this.versions.keys()) this.versions.set(key, undefined);
  }

  /** Forgets all: another process follows the changes from now on. */
  forget(): void {
    this.versions.clear();
  }

  stateOf(key: string, version: string): PendingState {
    if (!this.versions.has(key)) return 'unknown';
    return this.versions.get(key) === version ? 'latest' : 'superseded';
  }

  isLatest(key: string, version: string): boolean {
    return this.stateOf(key, version) === 'latest';
  }

  /** The retry of this version is over. */
  done(key: string, version: string): void {
    if (this.stateOf(key, version) === 'unknown') return;
    const parked = this.versions.get(key);
    if (parked === version || parked === undefined) this.versions.delete(key);
  }
}
