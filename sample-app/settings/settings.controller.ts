import { Body, Controller, Get, NotFoundException, Param, ParseIntPipe, Put } from '@nestjs/common';
import { BodyPipe } from '../validation';
import { type Settings, SETTINGS_FIELDS, type SettingsInput } from './settings';
import { SettingsService } from './settings.service';

@Controller('users/:id/settings')
export class SettingsController {
  constructor(private readonly settings: SettingsService) {}

  @Get()
  async find(@Param('id', ParseIntPipe) id: number): Promise<Settings> {
    const settings = await this.settings.find(id);
    if (!settings) throw new NotFoundException(`User ${id} has no settings`);
    return settings;
  }

  @Put()
  save(
    @Param('id', ParseIntPipe) id: number,
    @Body(new BodyPipe(SETTINGS_FIELDS)) input: SettingsInput,
  ): Promise<Settings> {
    return this.settings.save(id, input);
  }
}
