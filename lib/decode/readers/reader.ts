import type { Cursor } from '../cursor';

/** Reads the value at the cursor and moves the cursor past it. The value holds no bytes of the cursor's buffer. */
export type Reader = (cursor: Cursor) => unknown;
