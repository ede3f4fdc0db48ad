import {
  Body,
  Controller,
  Delete,
  Get,
  Headers,
  HttpCode,
  type MessageEvent,
  Param,
  Post,
  Sse,
} from '@nestjs/common';
import type { Observable } from 'rxjs';
import { BodyPipe, text, wholeNumber } from '../validation';
import { ChangeFeedService } from './change-feed.service';
import { DeadLettersService } from './dead-letters.service';
import { MemoryService } from './memory.service';
import { OutsiderService } from './outsider.service';
import { type Snapshot, SnapshotService } from './snapshot.service';

const RENAMING = { id: wholeNumber, name: text(100) };

/** What the page needs and a service would not have. */
@Controller()
export class LiveController {
  constructor(
    private readonly feed: ChangeFeedService,
    private readonly snapshots: SnapshotService,
    private readonly outsider: OutsiderService,
    private readonly memory: MemoryService,
    private readonly deadLetters: DeadLettersService,
  ) {}

  /** The browser's EventSource sends the id of the last message that it got when it connects again. */
  @Sse('events')
  events(@Headers('last-event-id') lastEventId: string | undefined): Observable<MessageEvent> {
    return this.feed.after(lastEventId);
  }

  @Get('live')
  snapshot(): Promise<Snapshot> {
    return this.snapshots.take();
  }

  @Post('live/outsider')
  @HttpCode(204)
  rename(@Body(new BodyPipe(RENAMING)) { id, name }: { id: number; name: string }): Promise<void> {
    return this.outsider.rename(id, name);
  }

  @Post('live/truncate')
  @HttpCode(204)
  truncate(): Promise<void> {
    return this.outsider.truncateUsers();
  }

  @Post('live/memory')
  @HttpCode(204)
  takeMemory(): Promise<void> {
    return this.memory.takeAway();
  }

  @Post('live/dead-letters/:id/requeue')
  @HttpCode(204)
  requeue(@Param('id') id: string): Promise<void> {
    return this.deadLetters.requeue(id);
  }

  @Delete('live/dead-letters/:id')
  @HttpCode(204)
  discard(@Param('id') id: string): Promise<void> {
    return this.deadLetters.discard(id);
  }
}
