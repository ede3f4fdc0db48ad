import type { CallHandler, ExecutionContext, NestInterceptor } from '@nestjs/common';
import { Inject, Injectable, StreamableFile } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import type { Observable } from 'rxjs';
import { defer, lastValueFrom } from 'rxjs';
import type { CachedRequest } from './cached-response.decorator';
import { cachedResponseOf } from './cached-response.decorator';
import type { CachedRunner } from './cached-runner';
import { cachedRunnerToken } from './cached-runner';

/**
 * Reads the responses of GET routes that have {@link CachedResponse} through the cache. It works like Nest's own
 * CacheInterceptor, except that a response is gone as soon as its row changes. Bind it with
 * `@UseInterceptors(CacheflowInterceptor)` or globally. Interceptors inside it, pipes, and the handler run only on a
 * miss. Guards always run.
 */
@Injectable()
export class CacheflowInterceptor implements NestInterceptor {
  constructor(@Inject(ModuleRef) private readonly moduleRef: ModuleRef) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const metadata = cachedResponseOf(context.getHandler());
    if (!metadata || context.getType() !== 'http') return next.handle();
    const request = context.switchToHttp().getRequest<CachedRequest>();
    if (request.method !== 'GET') return next.handle();
    const runner = this.moduleRef.get<CachedRunner>(cachedRunnerToken(metadata.source), { strict: false });
    return defer(async () => {
      let isHandled = false;
      const proceed = async (): Promise<unknown> => {
        isHandled = true;
        return lastValueFrom(next.handle(), { defaultValue: undefined });
      };
      const response = await runner.run({
        metadata,
        args: [request],
        columnValue: (column) => request.params[column],
        // What the handler sends by itself is not there to be sent again.
        storability: (value) => (value === undefined || value instanceof StreamableFile ? 'own' : 'cached'),
        proceed,
      });
      // The row's reader may have cached that there is none, and the handler may have more to say of that than nothing.
      return response === null && !isHandled ? proceed() : response;
    });
  }
}
