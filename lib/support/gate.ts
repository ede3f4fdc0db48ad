/** Holds whoever passes while it is closed. */
export class Gate {
  private opened: Promise<void> = Promise.resolve();
  private release: (() => void) | undefined;

  get isClosed(): boolean {
    return this.release !== undefined;
  }

  close(): void {
    if (this.release) return;
    this.opened = new Promise((resolve) => {
      this.release = resolve;
    });
  }

  open(): void {
    this.release?.();
    this.release = undefined;
  }

  /** Resolves at once while the gate is open. */
  async pass(): Promise<void> {
    while (this.isClosed) await this.opened;
  }
}
