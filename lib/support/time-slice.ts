import { setImmediate as nextTurn } from 'node:timers/promises';

/** The app's own requests are served in between, at the latest after this time. */
const SLICE_MILLIS = 5;

/** Breaks long loops up, so that the app's event loop is never held for long. */
export class TimeSlice {
  private endsAt = performance.now() + SLICE_MILLIS;

  /** Whether it is time to let others run. */
  get isOver(): boolean {
    return performance.now() >= this.endsAt;
  }

  /** Lets others run, and begins anew. */
  async next(): Promise<void> {
    await nextTurn();
    this.endsAt = performance.now() + SLICE_MILLIS;
  }
}
