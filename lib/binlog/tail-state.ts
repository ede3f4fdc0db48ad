/**
 * - `idle`: not started yet
 * - `connecting`: on the way to the source, at the first start or after a break
 * - `streaming`: reading the binlog
 * - `paused`: held by `pause()`
 * - `failed`: given up; the configuration or the position has to be mended and the app restarted
 * - `stopped`: ended by the app's shutdown
 */
export type TailState = 'idle' | 'connecting' | 'streaming' | 'paused' | 'failed' | 'stopped';
