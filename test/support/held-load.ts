/** A loader that stops between its read and its return, until the test lets it go on. */
export class HeldLoad<T> {
  /** How often it was called. */
  calls = 0;
  /** Resolves once the first call has read. */
  readonly hasRead: Promise<void>;
  private tellRead!: () => void;
  private letGo!: () => void;
  private readonly released: Promise<void>;

  constructor(private readonly read: () => Promise<T>) {
    this.hasRead = new Promise((resolve) => {
      this.tellRead = resolve;
    });
    this.released = new Promise((resolve) => {
      this.letGo = resolve;
    });
  }

  readonly load = async (): Promise<T> => {
    this.calls++;
    const value = await this.read();
    this.tellRead();
    await this.released;
    return value;
  };

  release(): void {
    this.letGo();
  }
}
