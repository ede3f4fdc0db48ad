import type { TableOptions } from '../../../lib';
import type { Random } from './random';
import type { Script } from './scripts';
import { CHINESE, CYRILLIC, JAPANESE, TRADITIONAL, WESTERN } from './scripts';

// The tables of the load, with the rules for their keys. Read by the app as options and by the harness to tell
// which key belongs to which row, so the two sides make keys independently.

export const DB = 'chaos';

/** A row as mysql2 gives it. */
export type ChaosRow = Record<string, unknown>;

export interface ChaosTable {
  readonly name: string;
  readonly primaryKey: readonly string[];
  /** The column by which writers choose rows. Their numbers count from 1. */
  readonly idColumn: string;
  /** The value of that column for a number. */
  id(n: number): string;
  /** Further columns for an insert, as SQL. */
  extras(random: Random): Record<string, string>;
  /** The SET clause of an update that changes a key column, if the table has one besides its id. */
  keyChange?(n: number, random: Random): string;
  /** Every key at which the row may be cached. */
  keys(row: ChaosRow): string[];
  /** A key that a reader may ask for, and the condition for its row. */
  read(n: number, random: Random): { key: string; where: string };
  /** Of the values that readers fill in. */
  readonly ttlSeconds?: number;
  /** May be truncated now and then. */
  readonly truncated?: boolean;
  /** Of its name: sessions with these character sets write to it and redefine it. */
  readonly script?: Script;
  /** Only this kind of writer writes to it. */
  readonly writtenBy?: 'large' | 'loose';
}

const SHOPS = 3;
const REGIONS = ['eu', 'us', 'ap'];
/** The first account beyond what a JavaScript number holds. */
const FIRST_ACCOUNT = 9_007_199_254_740_993n;
/** Rows of the two tables of large transactions: many, and wide ones. */
export const BULK_ROWS = 12_000;
export const WIDE_ROWS = 12;

function plain(name: string, more: Partial<ChaosTable> = {}): ChaosTable {
  return {
    name,
    primaryKey: ['id'],
    idColumn: 'id',
    id: String,
    extras: () => ({}),
    keys: (row) => [`${DB}:${name}:${String(row['id'])}`],
    read: (n) => ({ key: `${DB}:${name}:${n}`, where: `id = ${n}` }),
    ...more,
  };
}

export const TABLES: readonly ChaosTable[] = [
  plain('users'),
  plain('products'),
  plain('session_a', { truncated: true }),
  plain('session_b', { truncated: true }),
  {
    name: 'orders',
    primaryKey: ['shop_id', 'number'],
    idColumn: 'number',
    id: String,
    extras: (random) => ({ shop_id: String(random.int(1, SHOPS)) }),
    keyChange: () => `shop_id = 1 + MOD(shop_id, ${SHOPS})`,
    keys: (row) => [`${DB}:orders:${String(row['shop_id'])}:${String(row['number'])}`],
    read: (n, random) => {
      const shop = random.int(1, SHOPS);
      return { key: `${DB}:orders:${shop}:${n}`, where: `shop_id = ${shop} AND number = ${n}` };
    },
    ttlSeconds: 300,
  },
  {
    name: 'profiles',
    primaryKey: ['user_id'],
    idColumn: 'user_id',
    id: String,
    extras: () => ({}),
    keyChange: (n, random) => `email = ${random.chance(0.2) ? 'NULL' : `'${mail(n, random)}'`}`,
    keys: ({ user_id: id, email }) => [
      `profile:${String(id)}`,
      ...(typeof email === 'string' ? [`profile:mail:${email}`] : []),
    ],
    read: (n, random) => {
      if (random.chance(0.5)) return { key: `profile:${n}`, where: `user_id = ${n}` };
      const email = mail(n, random);
      return { key: `profile:mail:${email}`, where: `email = '${email}'` };
    },
    truncated: true,
  },
  {
    name: 'accounts',
    primaryKey: ['id'],
    idColumn: 'id',
    id: (n) => String(FIRST_ACCOUNT + BigInt(n)),
    extras: (random) => ({ region: random.chance(0.1) ? 'NULL' : `'${random.pick(REGIONS)}'` }),
    keyChange: (_n, random) => `region = '${random.pick(REGIONS)}'`,
    keys: (row) => [accountKey(row)].flatMap((key) => key ?? []),
    read: (n, random) => {
      const region = random.pick(REGIONS);
      const id = String(FIRST_ACCOUNT + BigInt(n));
      return { key: `account:${region}:${id}`, where: `id = ${id} AND region = '${region}'` };
    },
  },
  plain('通知', { truncated: true, script: CHINESE }),
  plain('功能', { truncated: true, script: TRADITIONAL }),
  plain('表', { truncated: true, script: JAPANESE }),
  plain('größe', { truncated: true, script: WESTERN }),
  plain('таблица', { truncated: true, script: CYRILLIC }),
  plain('bulk', { writtenBy: 'large' }),
  plain('wide', {
    writtenBy: 'large',
    read: (n) => ({ key: `${DB}:wide:${1 + (n % WIDE_ROWS)}`, where: `id = ${1 + (n % WIDE_ROWS)}` }),
  }),
  plain('loose_a', { writtenBy: 'loose' }),
  plain('loose_b', { writtenBy: 'loose' }),
];

/** Where all kinds of writers may write. */
export const SHARED_TABLES: readonly ChaosTable[] = TABLES.filter(({ writtenBy }) => writtenBy === undefined);

export function tableNamed(name: string): ChaosTable {
  const table = TABLES.find((each) => each.name === name);
  if (!table) throw new Error(`There is no table ${name}`);
  return table;
}

/** Few enough that rows take over each other's address. */
function mail(n: number, random: Random): string {
  return `m${n + random.int(0, 3)}@example.com`;
}

function accountKey({ region, id }: ChaosRow): string | null {
  return region === null ? null : `account:${String(region)}:${String(id)}`;
}

/** What every key of the tables begins with. */
export const KEY_PREFIXES: readonly string[] = [`${DB}:`, 'profile:', 'account:'];

/** The tables as the app is told of them. */
export function tableOptions(): TableOptions[] {
  return [
    { db: DB, table: 'users' },
    { db: DB, table: 'products', strategy: 'write-through' },
    {
      db: DB,
      table: 'orders',
      strategy: 'write-through',
      keyFields: ['shop_id', 'number'],
      ttlSeconds: 300,
    },
    { db: DB, table: 'profiles', key: ['profile:{user_id}', 'profile:mail:{email}'] },
    // MariaDB has a sequence of such a name too.
    { db: DB, table: 'session_*', strategy: 'write-through' },
    { db: DB, table: 'accounts', key: accountKey, match: 'account:*' },
    { db: DB, table: '通知', strategy: 'write-through' },
    { db: DB, table: '功*' },
    { db: DB, table: '表', strategy: 'write-through' },
    { db: DB, table: 'größe' },
    { db: DB, table: 'таб*', strategy: 'write-through' },
    { db: DB, table: 'bulk', strategy: 'write-through' },
    { db: DB, table: 'wide' },
    { db: DB, table: 'loose_*', strategy: 'write-through' },
  ];
}

const COMMON = `seq INT UNSIGNED NOT NULL, change_id BIGINT UNSIGNED NOT NULL, name VARCHAR(100) NULL,
  big BIGINT UNSIGNED NULL, price DECIMAL(20,4) NULL, made_at DATETIME(3) NULL, bytes VARBINARY(40) NULL`;

const LEDGER = 'change_id BIGINT UNSIGNED PRIMARY KEY, changes INT NOT NULL';
const DELETION =
  'tab VARCHAR(20), pk VARCHAR(40), change_id BIGINT UNSIGNED, by_id BIGINT UNSIGNED, PRIMARY KEY (tab, pk, change_id)';

/**
 * `ledger` says how many rows each statement changed, `deletion` which rows were deleted: written in the
 * transaction itself, so that it is exact however the commit ended. Those of the loose tables stay when it is rolled
 * back, as the rows do.
 */
export function schema(server: 'mysql' | 'mariadb'): string {
  const [looseA, looseB] = server === 'mariadb' ? ['MyISAM', 'Aria'] : ['InnoDB', 'InnoDB'];
  const numbers = Array.from({ length: BULK_ROWS }, (_, at) => `(${at + 1})`);
  return `
  CREATE DATABASE ${DB} CHARACTER SET utf8mb4;
  USE ${DB};
  CREATE TABLE users (id INT PRIMARY KEY, ${COMMON});
  CREATE TABLE products (id INT PRIMARY KEY, ${COMMON});
  CREATE TABLE session_a (id INT PRIMARY KEY, ${COMMON});
  CREATE TABLE session_b (id INT PRIMARY KEY, ${COMMON});
  CREATE TABLE orders (shop_id INT, number INT, ${COMMON}, PRIMARY KEY (shop_id, number), KEY (number));
  CREATE TABLE profiles (user_id INT PRIMARY KEY, email VARCHAR(60) COLLATE utf8mb4_bin NULL UNIQUE, ${COMMON});
  CREATE TABLE accounts (id BIGINT PRIMARY KEY, region VARCHAR(10) NULL, ${COMMON});
  CREATE TABLE 通知 (id INT PRIMARY KEY, ${COMMON});
  CREATE TABLE 功能 (id INT PRIMARY KEY, ${COMMON});
  CREATE TABLE 表 (id INT PRIMARY KEY, ${COMMON});
  CREATE TABLE größe (id INT PRIMARY KEY, ${COMMON});
  CREATE TABLE таблица (id INT PRIMARY KEY, ${COMMON});
  CREATE TABLE bulk (id INT PRIMARY KEY, ${COMMON});
  CREATE TABLE wide (id INT PRIMARY KEY, ${COMMON}, body MEDIUMTEXT NULL);
  CREATE TABLE loose_a (id INT PRIMARY KEY, ${COMMON}) ENGINE=${looseA};
  CREATE TABLE loose_b (id INT PRIMARY KEY, ${COMMON}) ENGINE=${looseB};
  CREATE TABLE ledger (${LEDGER});
  CREATE TABLE deletion (${DELETION});
  CREATE TABLE ledger_loose (${LEDGER}) ENGINE=${looseA};
  CREATE TABLE deletion_loose (${DELETION}) ENGINE=${looseA};
  CREATE TABLE scrap (n INT) ENGINE=MyISAM;
  CREATE TABLE numbers (n INT PRIMARY KEY);
  INSERT INTO numbers VALUES ${numbers.join()};
  ${server === 'mariadb' ? 'CREATE SEQUENCE session_numbers NOCACHE;' : ''}`;
}

/** The primary key as text; `row` is one of the table. */
export function primaryKeyText(table: ChaosTable, row: ChaosRow): string {
  return table.primaryKey.map((column) => String(row[column])).join(':');
}
