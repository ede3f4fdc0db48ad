import { Module } from '@nestjs/common';
import { WelcomeMailListener } from './welcome-mail.listener';

@Module({ providers: [WelcomeMailListener], exports: [WelcomeMailListener] })
export class MailModule {}
