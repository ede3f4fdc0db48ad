import type { ConfigurationFault } from '../errors/configuration.error';
import { nearMisses } from '../support/near-misses';

/** Collects faults. */
export class OptionCheck {
  readonly faults: ConfigurationFault[] = [];

  fault(subject: string, problem: string, fix: string): void {
    this.faults.push({ subject, problem, fix });
  }

  /** Finds options that do not exist. */
  names(path: string, given: object, known: Record<string, true>): void {
    for (const name of Object.keys(given)) {
      if (Object.hasOwn(known, name)) continue;
      if (path === '' && (name === 'name' || name === 'isGlobal')) {
        this.fault(name, 'a factory cannot set it', 'Put it beside useFactory, useClass or useExisting');
        continue;
      }
      const [near] = nearMisses(name, Object.keys(known));
      this.fault(
        path ? `${path}.${name}` : name,
        'there is no such option',
        near
          ? `Did you mean \`${near}\`?`
          : `Remove it; the options here are ${Object.keys(known).join(', ')}`,
      );
    }
  }

  positiveInteger(subject: string, value: unknown): boolean {
    if (typeof value === 'number' && Number.isInteger(value) && value > 0) return true;
    this.fault(
      subject,
      `it has to be a whole number above 0${typeof value === 'string' ? ' and is a string' : ''}`,
      'Set it to one or leave it out for the default',
    );
    return false;
  }

  /** One of some words; the first is the default. */
  oneOf<T extends string>(subject: string, value: unknown, words: readonly [T, ...T[]]): T {
    const word = words.find((each) => each === value);
    if (word === undefined && value !== undefined) {
      this.fault(subject, 'there is no such choice', `Use ${words.map((each) => `'${each}'`).join(' or ')}`);
    }
    return word ?? words[0];
  }

  text(subject: string, value: unknown): boolean {
    if (typeof value === 'string' && value !== '') return true;
    this.fault(subject, 'it has to be a string that is not empty', `Set \`${subject}\``);
    return false;
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
