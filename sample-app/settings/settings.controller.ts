import { Body, Controller, Get, Param, ParseIntPipe, Put } from '@nestjs/common';
import { BodyPipe } from '../validation';
import { type Settings, SETTINGS_FIELDS, type SettingsInput } from './settings';
import { SettingsService } from './settings.service';

@Controller('users/:id/settings')
export class SettingsController {
  constructor(private readonly settings: SettingsService) {}

  @Get()
  find(@Param('id', ParseIntPipe) id: number): Promise<Settings> {
    return this.settings.find(id);
  }

  @Put()
  save(
    @Param('id', ParseIntPipe) id: number,
    @Body(new BodyPipe(SETTINGS_FIELDS)) input: SettingsInput,
  ): Promise<Settings> {
    return this.settings.save(id, input);
  }
}
