/**
 * Tells how many of the newest entries a stream may keep: a number of them, and no more than fit into so many bytes. It
 * knows of what this process wrote; before that there is at most as much of another one.
 */
export class StreamBound {
  private readonly sizes: number[] = [];
  private bytes = 0;

  constructor(
    private readonly maxLength: number,
    private readonly maxBytes: number,
  ) {}

  /** The length to keep once entries of these sizes are added. */
  lengthWith(sizes: readonly number[]): number {
    for (const size of sizes) {
      this.sizes.push(size);
      this.bytes += size;
    }
    let outgrown = false;
    while (this.sizes.length > Math.max(1, sizes.length) && this.isBeyond) {
      this.bytes -= this.sizes.shift() ?? 0;
      outgrown = true;
    }
    return outgrown ? this.sizes.length : this.maxLength;
  }

  private get isBeyond(): boolean {
    return this.bytes > this.maxBytes || this.sizes.length > this.maxLength;
  }
}
