import type { CacheflowConfig } from '../config/cacheflow.config';
import { CacheflowError, messageOf } from '../errors/cacheflow.error';
import { CacheflowConfigurationError } from '../errors/configuration.error';
import { RedisRewoundError } from '../errors/redis.errors';
import { PositionLostError, ServerIdClashError, SourceUnavailableError } from '../errors/source.errors';
import { BinlogResetError, OtherServerError, accessFault, classifySourceError } from '../mysql/source-faults';
import type { ResumePoint } from './resume-point';

/** Says what breaks of a connection mean, and has the next connection make up for what they cost. */
export class TailFaults {
  constructor(
    private readonly context: { readonly name: string; readonly config: CacheflowConfig },
    private readonly resumePoint: ResumePoint,
  ) {}

  /**
   * What there is to report; undefined where it was reported when it was found, or where the next connection will have
   * something to say.
   *
   * @param isChecked whether the source was once seen to be set up as it has to be
   */
  read(
    error: unknown,
    { serverId, isChecked }: { readonly serverId: number; readonly isChecked: boolean },
  ): CacheflowError | undefined {
    if (error instanceof OtherServerError) this.resumePoint.metOtherServer();
    if (error instanceof RedisRewoundError) return undefined;
    if (error instanceof CacheflowError) return error;
    switch (classifySourceError(error)) {
      case 'server-id':
        return new ServerIdClashError(serverId, { cause: error });
      case 'position-lost':
        return this.readLostPosition(error);
      case 'no-gtids':
        this.resumePoint.refused(`the source says: ${messageOf(error)}`);
        break;
      case 'denied':
      case 'unreachable':
    }
    const { config, name } = this.context;
    // Later it may be a password or a certificate that is being renewed.
    const fault = isChecked ? undefined : accessFault(error, config.mysql);
    if (fault) return new CacheflowConfigurationError(name, [fault]);
    const server =
      config.mysql.socketPath ?? `${config.mysql.host ?? '127.0.0.1'}:${config.mysql.port ?? 3306}`;
    return new SourceUnavailableError(
      `The connection to ${server} failed (${messageOf(error)}); trying again`,
      { cause: error },
    );
  }

  private readLostPosition(error: unknown): PositionLostError | undefined {
    if (this.resumePoint.isFirstStart) {
      return new PositionLostError(
        `The source cannot begin at the start position (${messageOf(error)}): correct \`startAt\``,
        { cause: error },
      );
    }
    // The next connection sees to it.
    this.resumePoint.missed(
      error instanceof BinlogResetError ? error.message : `the source says: ${messageOf(error)}`,
    );
    return undefined;
  }
}

/** Whether trying again cannot help. */
export function isFinal(error: CacheflowError): boolean {
  return error instanceof CacheflowConfigurationError || error instanceof PositionLostError;
}
