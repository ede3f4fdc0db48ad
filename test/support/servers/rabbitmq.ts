import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { dirname, join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { promisify } from 'node:util';
import { BaseServer, startOnFreePort } from './base-server';
import { DockerRuntime } from './docker-runtime';
import { freePort } from './free-port';
import { LocalRuntime } from './local-runtime';
import { provide } from './provide';
import { slimRabbitmqHome } from './rabbitmq-home';
import type { Runtime } from './runtime';
import { findTool } from './search-path';
import type { RabbitMqServer, RabbitMqServerOptions, TlsFiles } from './server-handle';

const PROBE_TIMEOUT_MILLIS = 2_000;
// AMQP 0-9-1, section 4.2.2: what a client says first.
const PROTOCOL_HEADER = Buffer.from([...Buffer.from('AMQP'), 0, 0, 9, 1]);

class RabbitMqProcess extends BaseServer implements RabbitMqServer {
  readonly kind = 'rabbitmq';

  constructor(
    runtime: Runtime,
    private readonly run: (...args: string[]) => Promise<string>,
    private readonly tls?: TlsFiles,
  ) {
    super(runtime);
  }

  control(...args: string[]): Promise<string> {
    return this.run(...args);
  }

  get url(): string {
    return `${this.tls ? 'amqps' : 'amqp'}://guest:guest@${this.host}:${this.port}/`;
  }

  /** Reads the version out of connection.start, which the broker sends once it takes connections. */
  protected async probe(): Promise<string> {
    const start = await connectionStart(this.host, this.port, this.tls);
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
export async function startRabbitmq({
  tls,
  port: wanted,
}: RabbitMqServerOptions = {}): Promise<RabbitMqServer> {
  const provision = await provide('rabbitmq');
  const [distPort, epmdPort] = [await freePort(), await freePort()];
  return startOnFreePort((port) => {
    if ('binary' in provision) return local(provision.binary.command, { port, distPort, epmdPort }, tls);
    if (tls) throw new Error('RabbitMQ with TLS needs a local rabbitmq-server here.');
    return new RabbitMqProcess(container(provision.image, port), () => {
      throw new Error('rabbitmqctl needs a local rabbitmq-server here.');
    });
  }, wanted);
}

interface Ports {
  port: number;
  distPort: number;
  epmdPort: number;
}

function local(command: string, { port, distPort, epmdPort }: Ports, tls?: TlsFiles): RabbitMqProcess {
  const epmd = findTool('epmd');
  if (!epmd) throw new Error('No epmd found on PATH; it comes with Erlang, which RabbitMQ needs.');
  let homeVariables: NodeJS.ProcessEnv = {};
  let control: NodeJS.ProcessEnv = {};
  const runtime = new LocalRuntime({
    name: 'rabbitmq',
    port,
    dataDir: (folder) => `${folder}/data`,
    prepare: async (folder) => {
      mkdirSync(`${folder}/data`);
      homeVariables = slimRabbitmqHome(command, `${folder}/home`);
      writeFileSync(`${folder}/plugins`, '[].\n');
      control = {
        HOME: folder,
        RABBITMQ_NODENAME: 'cacheflow@localhost',
        ERL_EPMD_PORT: `${epmdPort}`,
        PATH: process.env['PATH'],
      };
      writeFileSync(`${folder}/rabbitmq.conf`, listeners(port, tls));
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
  const rabbitmqctl = join(dirname(command), 'rabbitmqctl');
  const run = async (...args: string[]): Promise<string> =>
    (await promisify(execFile)(rabbitmqctl, args, { env: control })).stdout;
  return new RabbitMqProcess(runtime, run, tls);
}

function listeners(port: number, tls: TlsFiles | undefined): string {
  if (!tls) return `listeners.tcp.default = 127.0.0.1:${port}\n`;
  return [
    'listeners.tcp = none',
    `listeners.ssl.default = 127.0.0.1:${port}`,
    `ssl_options.cacertfile = ${tls.ca}`,
    `ssl_options.certfile = ${tls.cert}`,
    `ssl_options.keyfile = ${tls.key}`,
    'ssl_options.verify = verify_peer',
    'ssl_options.fail_if_no_peer_cert = false',
    '',
  ].join('\n');
}

function container(image: string, port: number): Runtime {
  return new DockerRuntime({ image, port, innerPort: 5672, args: [], dataDir: '/var/lib/rabbitmq' });
}

function connectionStart(host: string, port: number, tls: TlsFiles | undefined): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const options = { host, port, timeout: PROBE_TIMEOUT_MILLIS };
    const socket = tls ? connectTls({ ...options, ca: readFileSync(tls.ca) }) : createConnection(options);
    let received = Buffer.alloc(0);
    socket.once(tls ? 'secureConnect' : 'connect', () => socket.write(PROTOCOL_HEADER));
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
