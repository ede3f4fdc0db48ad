import { execFile } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Keeper } from './keeper';
import type { TlsFiles } from './server-handle';

const run = promisify(execFile);
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** Makes a private CA with a server certificate for 127.0.0.1 and localhost, and one for a client. */
export async function createTls(): Promise<TlsFiles & { dispose(): Promise<void> }> {
  const keeper = Keeper.open('tls');
  const { folder } = keeper;
  const openssl = (...args: string[]) => run('openssl', args, { cwd: folder });
  const issue = async (name: string, extensions: string) => {
    writeFileSync(join(folder, `${name}.ext`), extensions);
    const request = ['-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`];
    await openssl('req', ...NEW_KEY, ...request);
    const signer = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '30'];
    await openssl(
      'x509',
      '-req',
      '-in',
      `${name}.csr`,
      ...signer,
      '-extfile',
      `${name}.ext`,
      '-out',
      `${name}.pem`,
    );
    // A server in a container runs as another user; these keys protect nothing.
    chmodSync(join(folder, `${name}.key`), 0o644);
  };
  chmodSync(folder, 0o755);
  await openssl(
    'req',
    '-x509',
    ...NEW_KEY,
    '-keyout',
    'ca.key',
    '-out',
    'ca.pem',
    '-days',
    '30',
    '-subj',
    '/CN=test CA',
  );
  await issue('server', 'subjectAltName = IP:127.0.0.1, DNS:localhost\nextendedKeyUsage = serverAuth\n');
  await issue('client', 'extendedKeyUsage = clientAuth\n');
  return {
    ca: join(folder, 'ca.pem'),
    cert: join(folder, 'server.pem'),
    key: join(folder, 'server.key'),
    clientCert: join(folder, 'client.pem'),
    clientKey: join(folder, 'client.key'),
    dispose: () => keeper.end(),
  };
}
