import type { Type } from '@nestjs/common';
import type { CacheStrategy, TableAuditOptions } from '../options/cacheflow.options';
import type { KeyTemplate } from './key-template';
import { toRegExp } from './patterns';
import type { InvalidatesFunction, KeyFunction, TableStrategy } from '../options/table-strategy';

/** How keys are made, as the options say. */
export type KeySource =
  | { readonly kind: 'default'; readonly fields: readonly string[] | undefined }
  | { readonly kind: 'templates'; readonly templates: readonly KeyTemplate[] }
  | { readonly kind: 'function'; readonly make: KeyFunction };

/** The options of one entry of `tables`, checked and with defaults. */
export interface TableRule {
  /** Its place in `tables`, for messages. */
  readonly index: number;
  readonly db: string;
  readonly table: string;
  readonly strategy: CacheStrategy | Type<TableStrategy>;
  readonly key: KeySource;
  readonly prefix: string;
  readonly invalidates: InvalidatesFunction | undefined;
  /** Patterns of the keys that functions make, as they are in Redis but for the client's prefix. */
  readonly match: readonly string[];
  readonly ttlSeconds: number | undefined;
  /** The app's own comparison of cached values with rows. */
  readonly compare: TableAuditOptions['compare'] | undefined;
}

const MAX_KNOWN = 10_000;

/** Finds the rule of a table: exact names first, then patterns, each in the order of the options. */
export class TableRules {
  private readonly ordered: { rule: TableRule; db: RegExp; table: RegExp }[];
  private readonly known = new Map<string, TableRule | undefined>();

  constructor(readonly all: readonly TableRule[]) {
    this.ordered = [...all]
      .sort((a, b) => wildcards(a) - wildcards(b) || a.index - b.index)
      .map((rule) => ({ rule, db: toRegExp(rule.db), table: toRegExp(rule.table) }));
  }

  find(schema: string, table: string): TableRule | undefined {
    const name = `${schema}\0${table}`;
    if (this.known.has(name)) return this.known.get(name);
    const rule = this.ordered.find((each) => each.db.test(schema) && each.table.test(table))?.rule;
    // Every table of the server comes by, watched or not.
    if (this.known.size >= MAX_KNOWN) this.known.clear();
    this.known.set(name, rule);
    return rule;
  }
}

/** Whether the entry names one table. */
export function isExact(rule: { readonly db: string; readonly table: string }): boolean {
  return !rule.db.includes('*') && !rule.table.includes('*');
}

/** 0 for an exact name, 1 for an exact database with a pattern for the table, 2 for the rest. */
function wildcards(rule: TableRule): number {
  return isExact(rule) ? 0 : rule.db.includes('*') ? 2 : 1;
}
