import { messageOf } from '../errors/cacheflow.error';
import type { ConfigurationFault } from '../errors/configuration.error';
import { DeclareError } from './declarations';

/** Takes credentials out of what others say. */
export function redacted(text: string, urls: readonly string[]): string {
  let clean = text.replace(/(amqps?:\/\/)[^@\s]*@/g, '$1');
  for (const url of urls) {
    const { password } = new URL(url);
    for (const secret of [password, decoded(password)]) {
      if (secret.length > 0) clean = clean.replaceAll(secret, '***');
    }
  }
  return clean;
}

/** What has to be corrected before the broker can be used; undefined when waiting may help. */
export function brokerFault(error: unknown, urls: readonly string[]): ConfigurationFault | undefined {
  const text = redacted(messageOf(error), urls);
  if (error instanceof DeclareError) return declareFault(error, text);
  const { code } = (error ?? {}) as { code?: unknown };
  // The latter is how amqplib reports a connection that is closed in answer to the virtual host.
  if (/NOT.ALLOWED|530|Expected ConnectionOpenOk; got <ConnectionClose/i.test(text)) {
    return {
      subject: 'retry.mq.url',
      problem: 'RabbitMQ refuses the virtual host, which does not exist or is not open to the user',
      fix: 'Correct the path of the URL, or: rabbitmqctl add_vhost <vhost>; rabbitmqctl set_permissions -p <vhost> <user> ".*" ".*" ".*"',
    };
  }
  if (/ACCESS.REFUSED|403/i.test(text)) {
    return {
      subject: 'retry.mq.url',
      problem: 'RabbitMQ refuses the login',
      fix: 'Correct user and password in the URL; `guest` may log in from the same machine only',
    };
  }
  if (
    /CERT|SELF_SIGNED|UNABLE_TO_(VERIFY|GET_ISSUER)/.test(String(code)) &&
    !/EXPIRED|NOT_YET/.test(String(code))
  ) {
    return {
      subject: 'retry.mq.tls',
      problem: `the certificate of RabbitMQ is not accepted (${text})`,
      fix: 'Set `retry.mq.tls.ca` to the certificate of the CA that signed it, and the host to a name that it holds',
    };
  }
  return undefined;
}

function declareFault({ what, cause }: DeclareError, text: string): ConfigurationFault | undefined {
  const { code } = (cause ?? {}) as { code?: unknown };
  if (code === 406) {
    return {
      subject: 'retry.mq',
      problem: `the ${what} exists already with other properties: ${text}`,
      fix: 'Delete it in RabbitMQ once it is empty, or choose another name in `retry.mq`',
    };
  }
  if (code === 403) {
    return {
      subject: 'retry.mq',
      problem: `the user of \`retry.mq.url\` may not declare the ${what}: ${text}`,
      fix: 'rabbitmqctl set_permissions -p <vhost> <user> ".*" ".*" ".*"',
    };
  }
  return undefined;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
