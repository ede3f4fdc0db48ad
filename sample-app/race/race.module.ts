import { Module } from '@nestjs/common';
import { RaceController } from './race.controller';
import { RacedRows } from './raced-rows.service';
import { RaceService } from './race.service';

/** What the page's race needs; a service would not have it. */
@Module({ controllers: [RaceController], providers: [RacedRows, RaceService] })
export class RaceModule {}
