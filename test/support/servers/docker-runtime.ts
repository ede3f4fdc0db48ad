import { execFile, execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { Keeper } from './keeper';
import type { Runtime } from './runtime';
import type { ServerKind } from './server-handle';

const run = promisify(execFile);

export const DOCKER_IMAGES: Record<ServerKind, string> = {
  mysql: 'mysql:9',
  mariadb: 'mariadb:10.11',
  redis: 'redis:7',
  valkey: 'valkey/valkey:8',
  rabbitmq: 'rabbitmq:3',
};

export interface ContainerPlan {
  image: string;
  port: number;
  /** The server's port inside the container. */
  innerPort: number;
  args: string[];
  env?: NodeJS.ProcessEnv;
  /** A folder that the container sees under the same path. */
  mount?: string;
  dataDir: string;
}

/** Whether a Docker engine answers here. */
export async function dockerWorks(): Promise<boolean> {
  try {
    await run('docker', ['info'], { timeout: 10_000 });
    return true;
  } catch {
    // Neither a missing client nor a missing engine is a fault: the caller names the other ways.
    return false;
  }
}

/** A server as a container, published on one port of 127.0.0.1. */
export class DockerRuntime implements Runtime {
  private readonly name = `cacheflow-${randomUUID()}`;
  private readonly keeper = Keeper.open('docker', {
    cleanup: [['docker', 'rm', '--force', '--volumes', this.name]],
  });
  private created = false;

  constructor(private readonly plan: ContainerPlan) {}

  get port(): number {
    return this.plan.port;
  }

  get dataDir(): string {
    return this.plan.dataDir;
  }

  get pid(): number {
    return Number(execFileSync('docker', ['inspect', '--format', '{{.State.Pid}}', this.name]));
  }

  async start(): Promise<void> {
    if (this.created) {
      await run('docker', ['start', this.name]);
      return;
    }
    const { image, port, innerPort, args, env = {}, mount } = this.plan;
    const variables = Object.entries(env).flatMap(([name, value]) => ['--env', `${name}=${value ?? ''}`]);
    const volume = mount ? ['--volume', `${mount}:${mount}:ro`] : [];
    const publish = ['--publish', `127.0.0.1:${port}:${innerPort}`];
    await run('docker', [
      'run',
      '--detach',
      '--name',
      this.name,
      ...publish,
      ...variables,
      ...volume,
      image,
      ...args,
    ]);
    this.created = true;
  }

  async isAlive(): Promise<boolean> {
    const { stdout } = await run('docker', ['inspect', '--format', '{{.State.Running}}', this.name]);
    return stdout.trim() === 'true';
  }

  async stop(): Promise<void> {
    this.resume();
    await run('docker', ['stop', '--time', '60', this.name]);
  }

  async kill(): Promise<void> {
    if (!this.created || !(await this.isAlive())) return;
    await run('docker', ['kill', this.name]);
    await run('docker', ['wait', this.name]);
  }

  pause(): void {
    execFileSync('docker', ['pause', this.name]);
  }

  resume(): void {
    if (this.state() === 'paused') execFileSync('docker', ['unpause', this.name]);
  }

  async dispose(): Promise<void> {
    await this.keeper.end();
  }

  async logTail(): Promise<string> {
    const { stdout, stderr } = await run('docker', ['logs', '--tail', '20', this.name]);
    return stdout + stderr;
  }

  private state(): string {
    return execFileSync('docker', ['inspect', '--format', '{{.State.Status}}', this.name], {
      encoding: 'utf8',
    }).trim();
  }
}
