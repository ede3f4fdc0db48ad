import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { AppConfig } from '../app.config';
import type { Place, Told } from './app-process';

const SCRIPT = join(__dirname, 'app-process.js');
const STOP_MILLIS = 10_000;

/** One process of the app, as its parent sees it. */
export class SupervisedProcess {
  /** Resolved when it has ended, by itself or not. */
  readonly ended: Promise<void>;
  private goneSince: number | undefined;
  private itsPort = 0;
  private itsPlace: Place | undefined;
  private readonly child: ChildProcess;

  constructor(config: AppConfig, options: { quiet: boolean; onTold(): void }) {
    this.child = fork(SCRIPT, options.quiet ? ['--quiet'] : [], { env: environmentOf(config) });
    this.child.on('message', (told: Told) => {
      if (told.kind === 'ready') this.itsPort = told.port;
      else this.itsPlace = told.place;
      options.onTold();
    });
    this.ended = once(this.child, 'exit').then(() => {
      this.goneSince ??= Date.now();
    });
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** When it was told to end, or had ended, in milliseconds since 1970; undefined for one that goes on. */
  get goneAt(): number | undefined {
    return this.goneSince;
  }

  /** 0 until it listens. */
  get port(): number {
    return this.itsPort;
  }

  get place(): Place | undefined {
    return this.itsPlace;
  }

  /** Whether requests may be sent to it. */
  get isServing(): boolean {
    return this.goneSince === undefined && this.itsPort > 0;
  }

  /** kill -9. Only ever meets this process: Node keeps the pid of a child that it has not buried yet. */
  async kill(): Promise<void> {
    this.goneSince ??= Date.now();
    this.child.kill('SIGKILL');
    await this.ended;
  }

  /** As a rolling deploy does it: the process hands over, then ends. */
  async stop(): Promise<void> {
    this.goneSince ??= Date.now();
    const late = setTimeout(() => this.child.kill('SIGKILL'), STOP_MILLIS);
    this.child.kill('SIGTERM');
    await this.ended;
    clearTimeout(late);
  }
}

/** What AppConfig.fromEnvironment reads. */
function environmentOf({ mysql, replication, redis, rabbitmq }: AppConfig): NodeJS.ProcessEnv {
  return {
    ...process.env,
    MYSQL_HOST: mysql.host,
    MYSQL_PORT: String(mysql.port),
    MYSQL_USER: mysql.user,
    MYSQL_PASSWORD: mysql.password,
    CACHEFLOW_MYSQL_USER: replication.user,
    CACHEFLOW_MYSQL_PASSWORD: replication.password,
    REDIS_HOST: redis.host,
    REDIS_PORT: String(redis.port),
    RABBITMQ_URL: rabbitmq?.url ?? '',
  };
}
