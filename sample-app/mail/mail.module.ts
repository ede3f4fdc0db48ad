import { Module } from '@nestjs/common';
import { WelcomeMailListener } from './welcome-mail.listener';
import { WelcomeMailsService } from './welcome-mails.service';

@Module({ providers: [WelcomeMailListener, WelcomeMailsService], exports: [WelcomeMailsService] })
export class MailModule {}
