import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { ROOT } from '../docs/support/pages';

type Schema = Record<string, unknown>;

/** Checks a message against docs/reference/change-message.schema.json: the keywords that stand in it, and no others. */
export function expectChangeMessage(message: unknown): void {
  const schema = JSON.parse(
    readFileSync(join(ROOT, 'docs/reference/change-message.schema.json'), 'utf8'),
  ) as Schema;
  expect(new Checker(schema).faults(schema, message, '')).toEqual([]);
}

class Checker {
  constructor(private readonly root: Schema) {}

  faults(schema: Schema, value: unknown, path: string): string[] {
    return Object.entries(schema).flatMap(([keyword, wanted]) =>
      this.check(keyword, wanted, schema, value, path),
    );
  }

  private check(keyword: string, wanted: unknown, schema: Schema, value: unknown, path: string): string[] {
    const fault = (is: boolean): string[] => (is ? [] : [`${path || '/'} fails ${keyword}`]);
    const fits = (each: unknown, of = value): boolean => this.faults(each as Schema, of, path).length === 0;
    const entries = isObject(value) ? Object.entries(value) : [];
    switch (keyword) {
      case '$schema':
      case '$defs':
      case 'title':
      case 'description':
        return [];
      case 'const':
        return fault(value === wanted);
      case 'enum':
        return fault((wanted as unknown[]).includes(value));
      case 'type':
        return fault([wanted].flat().some((type) => isOfType(String(type), value)));
      case 'pattern':
        return fault(typeof value !== 'string' || new RegExp(String(wanted)).test(value));
      case 'required':
        return fault(isObject(value) && (wanted as string[]).every((name) => Object.hasOwn(value, name)));
      case 'oneOf':
        return fault((wanted as unknown[]).filter((each) => fits(each)).length === 1);
      case 'not':
        return fault(!fits(wanted));
      case 'minProperties':
        return fault(entries.length >= Number(wanted));
      case 'maxProperties':
        return fault(entries.length <= Number(wanted));
      case 'propertyNames':
        return fault(entries.every(([name]) => fits(wanted, name)));
      case 'items':
        return Array.isArray(value)
          ? value.flatMap((each, index) => this.faults(wanted as Schema, each, `${path}/${index}`))
          : [];
      case 'properties':
        return entries.flatMap(([name, each]) =>
          Object.hasOwn(wanted as Schema, name)
            ? this.faults((wanted as Record<string, Schema>)[name] ?? {}, each, `${path}/${name}`)
            : [],
        );
      case 'additionalProperties': {
        const rest = entries.filter(([name]) => !Object.hasOwn((schema['properties'] ?? {}) as Schema, name));
        if (wanted === false) return fault(rest.length === 0);
        return rest.flatMap(([name, each]) => this.faults(wanted as Schema, each, `${path}/${name}`));
      }
      case '$ref': {
        const name = String(wanted).replace('#/$defs/', '');
        return this.faults(
          (this.root['$defs'] as Record<string, Schema>)[name] ?? { missing: name },
          value,
          path,
        );
      }
      default:
        throw new Error(`The checker does not know "${keyword}"`);
    }
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isOfType(type: string, value: unknown): boolean {
  if (type === 'object') return isObject(value);
  if (type === 'array') return Array.isArray(value);
  if (type === 'null') return value === null;
  if (type === 'integer') return Number.isInteger(value);
  return typeof value === type;
}
