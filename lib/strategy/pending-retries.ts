const MAX_KEYS = 100_000;

/**
 * The values that were parked, as far as this process knows. While a key stands here, no newer change of it has come
 * by since, so that the retry may write it even where Redis has no record of the key.
 */
export class PendingRetries {
  private readonly versions = new Map<string, string>();

  /** A value was parked. Beyond the bound a retry removes its key instead of writing it. */
  add(key: string, version: string): void {
    if (this.versions.size < MAX_KEYS) this.versions.set(key, version);
  }

  /** A newer change of the key came by, or the retry is over. */
  forget(key: string): void {
    if (this.versions.size > 0) this.versions.delete(key);
  }

  /** Keys were removed of which nobody knows the names. */
  clear(): void {
    this.versions.clear();
  }

  /** Whether this is the latest change of the key. */
  isLatest(key: string, version: string): boolean {
    return this.versions.get(key) === version;
  }
}
