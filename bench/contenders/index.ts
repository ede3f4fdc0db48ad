import type { Contender } from '../job';
import { cacheflow } from './cacheflow';
import { decodeOnly, handWritten, packetsOnly } from './zongji';

export const contenders: Record<string, Contender> = {
  'cacheflow-cache-aside': cacheflow('cache-aside'),
  'cacheflow-cache-aside-events': cacheflow('cache-aside', true),
  'cacheflow-write-through': cacheflow('write-through'),
  'hand-written': handWritten,
  'zongji-decode': decodeOnly,
  packets: packetsOnly,
};
