import type { AppConfig } from '../app.config';
import { waitFor } from '../../test/support/wait-for';
import { SupervisedProcess } from './supervised-process';

const START_MILLIS = 60_000;
const TAKEOVER_MILLIS = 30_000;
/** Long enough to see in the page that one is missing. */
const REPLACE_MILLIS = 2_000;

/** How the group came to another leader. Pids. */
export interface Takeover {
  readonly from: number;
  readonly to: number;
  /** From the end of the one to the term of the other. */
  readonly millis: number;
  readonly term: number;
}

export interface AppGroupOptions {
  readonly config: AppConfig;
  readonly count: number;
  /** Without what the processes say of their work. */
  readonly quiet: boolean;
  /** One has ended, whatever it was doing. */
  onEnded(): Promise<void>;
}

/** The processes of the app. One that ends is replaced after a moment. */
export class AppGroup {
  private readonly processes = new Set<SupervisedProcess>();
  private readonly replacing = new Set<NodeJS.Timeout>();
  private readonly listeners = new Set<() => void>();
  private closing: Promise<void> | undefined;
  private lastLeader: SupervisedProcess | undefined;
  private latest: Takeover | undefined;

  constructor(private readonly options: AppGroupOptions) {}

  /** Resolves when one of them reads the binlog and the others stand by. */
  async start(): Promise<void> {
    for (let each = 0; each < this.options.count; each++) this.add();
    await this.complete();
  }

  /** Resolves when all are there again. @throws Error when that takes too long */
  async complete(): Promise<void> {
    await waitFor(() => this.closing !== undefined || this.isComplete, {
      timeoutMillis: START_MILLIS,
      message: 'one process that leads and the others to stand by',
    });
    if (this.closing) throw new Error('The demo ends');
  }

  /** Those that requests may be sent to, the leader first. */
  get serving(): SupervisedProcess[] {
    const { leader } = this;
    const all = [...this.processes].filter(({ isServing }) => isServing);
    return leader ? [leader, ...all.filter((each) => each !== leader)] : all;
  }

  /** Of two that hold themselves for the leader, the one that was frozen has the older term. */
  get leader(): SupervisedProcess | undefined {
    return [...this.processes]
      .filter(({ isServing, place }) => isServing && place?.role === 'leader')
      .sort((a, b) => (b.place?.term ?? 0) - (a.place?.term ?? 0))[0];
  }

  get takeover(): Takeover | undefined {
    return this.latest;
  }

  /** Told when another process leads. */
  onLeader(listener: () => void): void {
    this.listeners.add(listener);
  }

  /** kill -9 of the leader; resolves when another one leads. @throws Error when none does, or none did */
  async killLeader(): Promise<Takeover> {
    return this.succeed((leader) => leader.kill());
  }

  /** Ends the leader as a rolling deploy does. @throws Error when none follows, or none led */
  async stopLeader(): Promise<Takeover> {
    return this.succeed((leader) => leader.stop());
  }

  async close(): Promise<void> {
    this.closing ??= this.endAll();
    await this.closing;
  }

  private async succeed(end: (leader: SupervisedProcess) => Promise<void>): Promise<Takeover> {
    const { leader, latest: before } = this;
    if (!leader) throw new Error('No process leads at the moment; try again');
    await end(leader);
    return waitFor(() => this.latest !== before && this.latest, {
      timeoutMillis: TAKEOVER_MILLIS,
      message: `another process to lead after ${leader.pid}`,
    }) as Promise<Takeover>;
  }

  private async endAll(): Promise<void> {
    for (const timer of this.replacing) clearTimeout(timer);
    await Promise.all([...this.processes].map((each) => each.stop()));
  }

  private get isComplete(): boolean {
    const all = [...this.processes];
    const states = all.map(({ isServing, place }) => (isServing ? place?.state : undefined));
    const areReady = states.every((state) => state === 'streaming' || state === 'standby');
    return all.length === this.options.count && areReady && states.includes('streaming');
  }

  private add(): void {
    const { config, quiet } = this.options;
    const added = new SupervisedProcess(config, { quiet, onTold: () => this.heed() });
    this.processes.add(added);
    void added.ended.then(() => this.replace(added));
  }

  private replace(ended: SupervisedProcess): void {
    this.processes.delete(ended);
    if (this.closing) return;
    if (!this.options.quiet)
      console.log(`Process ${ended.pid} has ended; another one starts in ${REPLACE_MILLIS / 1_000} s.`);
    const timer = setTimeout(() => {
      this.replacing.delete(timer);
      this.add();
    }, REPLACE_MILLIS);
    this.replacing.add(timer);
    this.options.onEnded().catch((error: Error) => console.error(error.message));
  }

  private heed(): void {
    const { leader, lastLeader } = this;
    if (!leader?.place || leader === lastLeader) return;
    this.lastLeader = leader;
    if (lastLeader) {
      const { since, term } = leader.place;
      const goneAt = lastLeader.goneAt ?? Date.now();
      this.latest = { from: lastLeader.pid, to: leader.pid, millis: Math.max(0, since - goneAt), term };
    }
    for (const listener of this.listeners) listener();
  }
}
