import { Injectable, type MessageEvent } from '@nestjs/common';
import {
  concat,
  defer,
  filter,
  from,
  map,
  merge,
  type Observable,
  ReplaySubject,
  Subject,
  takeUntil,
  timer,
} from 'rxjs';
import { CacheflowService, type ChangeEvent } from '../../lib';
import { changeId } from '../change-id';
import { RACED_TABLE } from '../race/raced-rows.service';

const KEPT = 100;
/** Often enough that no proxy takes the connection for dead. */
const HEARTBEAT_MILLIS = 15_000;

interface FeedItem {
  id: string;
  /** When the service heard of it, in milliseconds since 1970; the change's own time is in whole seconds. */
  at: number;
  event: ChangeEvent;
}

/** The changes as server-sent events, with the last ones kept for those who were away for a moment. */
@Injectable()
export class ChangeFeedService {
  private readonly recent: FeedItem[] = [];
  private readonly live = new Subject<FeedItem>();
  private readonly ended = new ReplaySubject<void>(1);

  constructor(cacheflow: CacheflowService) {
    // The race changes hundreds of rows, which would drive all others out of sight.
    const shown$ = cacheflow.events$.pipe(filter(({ table }) => table !== RACED_TABLE.table));
    shown$.subscribe({ next: (event) => this.push(event), complete: () => this.end() });
  }

  /**
   * What came after the message of this id, then each further change. All that is kept when the id is unknown, as
   * it is after a restart; then a client sees by the ids what it has already.
   */
  after(lastEventId: string | undefined): Observable<MessageEvent> {
    const isHistory = lastEventId === undefined;
    const missed = defer(() => {
      const last = this.recent.findLastIndex(({ id }) => id === lastEventId);
      return from(this.recent.slice(last + 1));
    });
    const changes = concat(
      missed.pipe(map((item) => toMessage(item, isHistory))),
      this.live.pipe(map((item) => toMessage(item, false))),
    );
    // The first beat goes out at once: Nest sends the headers only with the first message.
    const heartbeat = timer(0, HEARTBEAT_MILLIS).pipe(
      map((): MessageEvent => ({ comment: 'still here' })),
      takeUntil(this.ended),
    );
    return merge(heartbeat, changes);
  }

  private push(event: ChangeEvent): void {
    const item = { id: changeId(event), at: Date.now(), event };
    this.recent.push(item);
    if (this.recent.length > KEPT) this.recent.shift();
    this.live.next(item);
  }

  private end(): void {
    this.live.complete();
    this.ended.next();
  }
}

function toMessage({ id, at, event }: FeedItem, isHistory: boolean): MessageEvent {
  const { action, schema, table, before, after } = event;
  const { pid } = process;
  return { type: 'change', id, data: { id, at, pid, isHistory, action, schema, table, before, after } };
}
