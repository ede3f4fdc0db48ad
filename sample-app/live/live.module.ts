import { Module } from '@nestjs/common';
import { MailModule } from '../mail/mail.module';
import { SettingsModule } from '../settings/settings.module';
import { UsersModule } from '../users/users.module';
import { ChangeFeedService } from './change-feed.service';
import { DeadLettersService } from './dead-letters.service';
import { LiveController } from './live.controller';
import { MemoryService } from './memory.service';
import { OutsiderService } from './outsider.service';
import { SnapshotService } from './snapshot.service';

/** The page's view of things: rows beside keys, changes as they happen, and a hand from outside. */
@Module({
  imports: [UsersModule, SettingsModule, MailModule],
  controllers: [LiveController],
  providers: [ChangeFeedService, DeadLettersService, MemoryService, SnapshotService, OutsiderService],
})
export class LiveModule {}
