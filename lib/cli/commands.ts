import type { Command } from './command';
import { verifyCommand } from './verify.command';

/** Everything that `npx nestjs-cacheflow` can do. */
export const COMMANDS: readonly Command[] = [verifyCommand];
