/**
 * - `idle`: The tail has not started yet.
 * - `connecting`: The tail is connecting to the source, at the first start or after a break.
 * - `standby`: Another process of the group leads. This one takes over when that one is gone.
 * - `streaming`: The tail is reading the binlog.
 * - `paused`: `pause()` is holding the tail.
 * - `failed`: The tail has given up. Correct the configuration or the position, then restart the app.
 * - `stopped`: The shutdown of the app has ended the tail.
 */
export type TailState = 'idle' | 'connecting' | 'standby' | 'streaming' | 'paused' | 'failed' | 'stopped';
