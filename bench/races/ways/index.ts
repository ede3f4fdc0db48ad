import { cacheflow } from './cacheflow';
import { deleteOnEvent } from './delete-on-event';
import { doubleDelete } from './double-delete';
import { handWritten } from './hand-written';
import type { WayDefinition } from './way';

export const ways: readonly WayDefinition[] = [handWritten, deleteOnEvent, doubleDelete, cacheflow];
