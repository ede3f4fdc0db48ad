import { mkdirSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { BaseServer, startOnFreePort } from './base-server';
import { DockerRuntime } from './docker-runtime';
import { freePort } from './free-port';
import { LocalRuntime } from './local-runtime';
import { provide } from './provide';
import { slimRabbitmqHome } from './rabbitmq-home';
import type { Runtime } from './runtime';
import { findTool } from './search-path';
import type { RabbitMqServer } from './server-handle';

const PROBE_TIMEOUT_MILLIS = 2_000;
// AMQP 0-9-1, section 4.2.2: what a client says first.
const PROTOCOL_HEADER = Buffer.from([...Buffer.from('AMQP'), 0, 0, 9, 1]);

class RabbitMqProcess extends BaseServer implements RabbitMqServer {
  readonly kind = 'rabbitmq';

  get url(): string {
    return `amqp://guest:guest@${this.host}:${this.port}/`;
  }

  /** Reads the version out of connection.start, which the broker sends once it takes connections. */
  protected async probe(): Promise<string> {
    const start = await connectionStart(this.host, this.port);
    const at = start.indexOf('versionS');
    if (!start.includes('RabbitMQ') || at < 0) throw new Error('No AMQP greeting');
    const text = at + 'versionS'.length;
    return start.toString('latin1', text + 4, text + 4 + start.readUInt32BE(text));
  }

  protected disconnect(): void {
    // There is no connection of our own.
  }
}

/** Starts RabbitMQ with the default user guest and an Erlang port mapper of its own. */
export async function startRabbitmq(): Promise<RabbitMqServer> {
  const provision = await provide('rabbitmq');
  const [distPort, epmdPort] = [await freePort(), await freePort()];
  return startOnFreePort((port) => {
    const runtime =
      'binary' in provision
        ? local(provision.binary.command, { port, distPort, epmdPort })
        : container(provision.image, port);
    return new RabbitMqProcess(runtime);
  });
}

interface Ports {
  port: number;
  distPort: number;
  epmdPort: number;
}

function local(command: string, { port, distPort, epmdPort }: Ports): Runtime {
  const epmd = findTool('epmd');
  if (!epmd) throw new Error('No epmd found on PATH; it comes with Erlang, which RabbitMQ needs.');
  let homeVariables: NodeJS.ProcessEnv = {};
  return new LocalRuntime({
    name: 'rabbitmq',
    port,
    dataDir: (folder) => `${folder}/data`,
    prepare: async (folder) => {
      mkdirSync(`${folder}/data`);
      homeVariables = slimRabbitmqHome(command, `${folder}/home`);
      writeFileSync(`${folder}/plugins`, '[].\n');
      writeFileSync(`${folder}/rabbitmq.conf`, `listeners.tcp.default = 127.0.0.1:${port}\n`);
    },
    // RabbitMQ would start one by itself, detached and outliving it.
    helper: () => ({ command: epmd, args: ['-address', '127.0.0.1', '-port', `${epmdPort}`] }),
    main: (folder) => ({
      command,
      args: [],
      cwd: folder,
      env: {
        ...homeVariables,
        HOME: folder,
        RABBITMQ_NODENAME: 'cacheflow@localhost',
        RABBITMQ_DIST_PORT: `${distPort}`,
        RABBITMQ_MNESIA_BASE: `${folder}/data`,
        RABBITMQ_LOG_BASE: folder,
        RABBITMQ_LOGS: '-',
        RABBITMQ_PID_FILE: `${folder}/pid`,
        RABBITMQ_ENABLED_PLUGINS_FILE: `${folder}/plugins`,
        RABBITMQ_CONFIG_FILE: `${folder}/rabbitmq.conf`,
        RABBITMQ_CONF_ENV_FILE: `${folder}/none`,
        RABBITMQ_ADVANCED_CONFIG_FILE: `${folder}/none`,
        ERL_EPMD_ADDRESS: '127.0.0.1',
        ERL_EPMD_PORT: `${epmdPort}`,
        // Makes the script become the Erlang VM rather than wait for it, so that the pid is the server's …
        RABBITMQ_ALLOW_INPUT: 'true',
        // … and this takes back the shell on standard input that comes along.
        RABBITMQ_SERVER_START_ARGS: '-noinput',
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
      },
    }),
  });
}

function container(image: string, port: number): Runtime {
  return new DockerRuntime({ image, port, innerPort: 5672, args: [], dataDir: '/var/lib/rabbitmq' });
}

function connectionStart(host: string, port: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host, port, timeout: PROBE_TIMEOUT_MILLIS });
    let received = Buffer.alloc(0);
    socket.once('connect', () => socket.write(PROTOCOL_HEADER));
    socket.once('error', reject);
    socket.once('timeout', () => socket.destroy(new Error('No AMQP greeting in time')));
    socket.once('close', () => reject(new Error('The connection was closed')));
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      // Frame: type (1), channel (2), size (4), payload, end (1).
      if (received.length < 7 || received.length < 8 + received.readUInt32BE(3)) return;
      resolve(received);
      socket.destroy();
    });
  });
}
