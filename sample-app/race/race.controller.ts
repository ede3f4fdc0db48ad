import { Controller, HttpCode, Post } from '@nestjs/common';
import { type RaceResult, RaceService } from './race.service';

@Controller('live/race')
export class RaceController {
  constructor(private readonly race: RaceService) {}

  @Post()
  @HttpCode(200)
  run(): Promise<RaceResult> {
    return this.race.run();
  }
}
