import { standAlone } from '../binlog/leadership';
import { OnlyMember } from '../distribution/group-members';
import type { ConfigurationFault } from '../errors/configuration.error';
import type { Group, GroupParts } from './group';
import type { GroupStatus } from './group-status';
import { thisMember } from './member';

/** A process without a group: it reads the stream, whoever else does. */
export class LoneProcess implements Group {
  readonly leadership = standAlone();
  readonly isLeading = true;
  readonly members = new OnlyMember();
  readonly term = 0;
  private readonly member = thisMember();
  private parts: GroupParts | undefined;
  private paused = false;

  get status(): GroupStatus {
    const { id, host, pid, since } = this.member;
    return {
      self: id,
      role: 'alone',
      leader: id,
      members: [{ id, host, pid, role: 'leader', since }],
      since,
      term: 0,
      paused: this.paused,
      report: undefined,
    };
  }

  async check(): Promise<readonly ConfigurationFault[]> {
    return Promise.resolve([]);
  }

  start(parts: GroupParts): void {
    this.parts = parts;
  }

  async setPaused(paused: boolean): Promise<void> {
    this.paused = paused;
    if (paused) this.parts?.pause();
    else this.parts?.resume();
    return Promise.resolve();
  }

  async caughtUp(_millis: number, signal: AbortSignal): Promise<void> {
    await this.parts?.caughtUp(signal);
  }

  async announceRedefinition(): Promise<void> {
    return Promise.resolve();
  }

  async leave(): Promise<void> {
    return Promise.resolve();
  }
}
