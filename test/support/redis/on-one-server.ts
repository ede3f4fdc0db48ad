import { it } from 'vitest';
import { isOneServer, wantedTopology } from './topology';

/** For tests that are about one server: its settings, its process, the data that it starts on. */
export const itOnOneServer = it.runIf(isOneServer(wantedTopology()));
