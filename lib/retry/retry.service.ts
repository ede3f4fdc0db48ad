import type { ParkedCommand } from './parked-command';
/** STUB until the branch lands. */
export class RetryService {
  async park(_commands: readonly ParkedCommand[], _signal: AbortSignal): Promise<void> {}
}
