import type { ServerResponse } from 'node:http';
import {
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  Param,
  ParseIntPipe,
  Patch,
  Post,
  Res,
} from '@nestjs/common';
import { BodyPipe } from '../validation';
import { type User, USER_FIELDS, type UserInput } from './user';
import { noUser, UsersService } from './users.service';

@Controller('users')
export class UsersController {
  constructor(private readonly users: UsersService) {}

  @Get()
  list(): Promise<User[]> {
    return this.users.list();
  }

  /** Says in X-Cache whether this request had to ask the database. */
  @Get(':id')
  async findOne(
    @Param('id', ParseIntPipe) id: number,
    @Res({ passthrough: true }) response: ServerResponse,
  ): Promise<User> {
    let found = 'hit';
    const user = await this.users.find(id, () => {
      found = 'miss';
    });
    response.setHeader('X-Cache', found);
    if (!user) throw noUser(id);
    return user;
  }

  @Post()
  create(@Body(new BodyPipe(USER_FIELDS)) input: UserInput): Promise<User> {
    return this.users.create(input);
  }

  @Patch(':id')
  update(
    @Param('id', ParseIntPipe) id: number,
    @Body(new BodyPipe(USER_FIELDS, { partial: true })) input: Partial<UserInput>,
  ): Promise<User> {
    return this.users.update(id, input);
  }

  @Delete(':id')
  @HttpCode(204)
  remove(@Param('id', ParseIntPipe) id: number): Promise<void> {
    return this.users.remove(id);
  }
}
