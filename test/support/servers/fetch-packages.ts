import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheDir } from './cache-dir';
import { apt } from './debian';

const run = promisify(execFile);
const ARCHIVE_KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
// Only helper scripts need Perl, and only a service needs systemd; they are large.
const NOT_NEEDED = /^((lib)?perl|systemd$)/;

/**
 * Takes packages with everything below them, libc included, from Debian's unstable suite, for servers that stable does
 * not have. Nothing is installed: apt works on lists and a package state of its own.
 *
 * @param name of the folder in the cache
 */
export async function fetchPackages(name: string, packages: readonly string[]): Promise<void> {
  const work = join(cacheDir(), `${name}-fetch-${process.pid}`);
  const root = join(work, 'root');
  try {
    const options = await privateApt(work);
    await apt([...options, 'update']);
    const uris = await apt([
      ...options,
      'install',
      '-qq',
      '--no-install-recommends',
      '--print-uris',
      ...packages,
    ]);
    await apt([...options, 'download', ...packageNames(uris)], join(work, 'debs'));
    for (const file of readdirSync(join(work, 'debs'))) {
      await run('dpkg', ['-x', join(work, 'debs', file), root]);
    }
    rmSync(join(cacheDir(), name), { recursive: true, force: true });
    renameSync(root, join(cacheDir(), name));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** The options that give apt a world of its own, in which nothing is installed and only unstable exists. */
async function privateApt(work: string): Promise<string[]> {
  for (const folder of ['root', 'debs', 'lists/partial', 'cache/archives/partial']) {
    mkdirSync(join(work, folder), { recursive: true });
  }
  const keyring = existsSync(ARCHIVE_KEYRING) ? `[signed-by=${ARCHIVE_KEYRING}] ` : '';
  const sources = join(work, 'unstable.list');
  writeFileSync(sources, `deb ${keyring}${await mirror()} unstable main\n`);
  const settings = {
    'Dir::Etc::SourceList': sources,
    'Dir::Etc::SourceParts': '/dev/null',
    'Dir::State::Lists': join(work, 'lists'),
    'Dir::State::status': '/dev/null',
    'Dir::Cache': join(work, 'cache'),
    // The folder belongs to root, so the unprivileged downloader could not write there.
    'APT::Sandbox::User': 'root',
    'Acquire::Languages': 'none',
  };
  return Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
}

/** The mirror that this machine is configured for. */
async function mirror(): Promise<string> {
  const format = ['--format', '$(SUITE) $(REPO_URI)', 'Created-By: Packages'];
  let targets = (await run('apt-get', ['indextargets', ...format])).stdout;
  if (!targets.trim()) {
    await apt(['update']);
    targets = (await run('apt-get', ['indextargets', ...format])).stdout;
  }
  const lines = targets.trim().split('\n');
  const main = lines.find((line) => !/-security|-updates|-backports/.test(line));
  const uri = main?.split(' ').at(1);
  if (!uri) throw new Error('apt has no package source, so there is no mirror to fetch from.');
  return uri;
}

/** From lines such as `'<uri>' libaio1t64_0.3.113-10_amd64.deb 14900 MD5Sum:…`. */
function packageNames(printedUris: string): string[] {
  const files = printedUris.match(/^'[^']+' \S+\.deb /gm) ?? [];
  const names = files.map((line) => line.split(' ')[1]?.split('_')[0] ?? '');
  return names.filter((name) => name && !NOT_NEEDED.test(name));
}
