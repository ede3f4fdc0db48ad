import { join } from 'node:path';
import { findBinary, variableOf } from './binaries';
import { cacheDir } from './cache-dir';
import { canUseApt, installPackage, type Report } from './debian';
import { DOCKER_IMAGES, dockerWorks } from './docker-runtime';
import { fetchPackages } from './fetch-packages';
import type { Binary } from './fetched';
import { withFileLock } from './file-lock';
import type { ServerKind } from './server-handle';

/** A server that can be started: by its binary, or from an image. */
export type Provision = { binary: Binary } | { image: string };

const KINDS: ServerKind[] = ['mysql', 'mariadb', 'redis', 'valkey', 'rabbitmq'];
const DEBIAN_PACKAGES = { mariadb: 'mariadb-server', redis: 'redis-server', rabbitmq: 'rabbitmq-server' };
/** What stable does not have. */
const UNSTABLE_PACKAGES = {
  mysql: ['mysql-server-core', 'mysql-client-core'],
  valkey: ['valkey-server'],
};

/** Makes sure that every kind of server can be started; says one line for each one that it fetches. */
export async function prepareServers(report: Report = console.log): Promise<void> {
  for (const kind of KINDS) await provide(kind, report);
}

/** By kind and what its environment variable says; to ask a binary for its version takes longer than some starts. */
const provided = new Map<string, Promise<Provision>>();

/**
 * Finds a server, or fetches it: from Debian's packages, else as a Docker image. The value `docker` in the
 * kind's environment variable asks for the image at once.
 *
 * @throws Error that names every way to provide the server
 */
export function provide(kind: ServerKind, report: Report = console.error): Promise<Provision> {
  const wanted = `${kind} ${process.env[variableOf(kind)] ?? ''}`;
  let found = provided.get(wanted);
  if (!found) {
    found = findOrFetch(kind, report);
    provided.set(wanted, found);
    // The next one may have more luck.
    found.catch(() => provided.delete(wanted));
  }
  return found;
}

async function findOrFetch(kind: ServerKind, report: Report): Promise<Provision> {
  const wantsDocker = process.env[variableOf(kind)] === 'docker';
  if (!wantsDocker) {
    const binary = (await findBinary(kind)) ?? (canUseApt() ? await fetchBinary(kind, report) : undefined);
    if (binary) return { binary };
  }
  if (await dockerWorks()) return { image: DOCKER_IMAGES[kind] };
  throw new Error(
    `No ${kind} server found. Do one of these: put its binary on PATH; name it in ${variableOf(kind)}; ` +
      'run on Debian as root, where it is fetched by itself; or start Docker, which then runs ' +
      `${DOCKER_IMAGES[kind]}.`,
  );
}

function fetchBinary(kind: ServerKind, report: Report): Promise<Binary | undefined> {
  // Two test workers must not fetch at once; the second one finds what the first one brought.
  return withFileLock(join(cacheDir(), 'fetch.lock'), async () => {
    const present = await findBinary(kind);
    if (present) return present;
    if (kind === 'mysql' || kind === 'valkey') {
      report(`Fetching ${kind} (from Debian unstable into the cache) …`);
      await fetchPackages(kind, UNSTABLE_PACKAGES[kind]);
    } else {
      report(`Installing ${DEBIAN_PACKAGES[kind]} …`);
      await installPackage(DEBIAN_PACKAGES[kind]);
    }
    return findBinary(kind);
  });
}
