import type { Flavor } from '../../change/flavor';
import type { StatementEffect } from './ddl';
import { UNKNOWN, effectOf, mergeEffects } from './ddl';
import type { ControlConnection } from '../../mysql/control-connection';
import { sqlErrorCode } from '../../mysql/control-connection';
import type { LoggedStatement } from './query-event';

/** A statement with more bytes than this is not asked about. */
const MAX_BYTES = 64 * 1024;
const NOT_ASCII = /[^\0-\x7f]/;
/** Character sets whose bytes are UTF-8; for the server `binary` is one of them here. */
const UTF8 = /^(?:utf8(?:mb[34])?|binary)$/;
/** What a statement makes, changes or drops. */
const BEGINNING = /^\s*(?:CREATE(?:\s+OR\s+REPLACE)?|ALTER|DROP)\s+\w+(?=[\s=])/i;

/** What a statement means for tables, and its text. */
export interface ReadStatement {
  readonly effect: StatementEffect;
  /** As it was most likely meant. */
  readonly text: string;
}

/** Reads statements in the character set of the session that ran them. */
export class StatementReader {
  constructor(
    private readonly control: ControlConnection,
    private readonly flavor: Flavor,
    /** The name of a collation's character set. */
    private readonly charsetOf: (collationId: number) => string | undefined,
  ) {}

  /** A promise where the source has to be asked first; it rejects when that does not answer. */
  read(statement: LoggedStatement): ReadStatement | Promise<ReadStatement> {
    const { schema, text, collation } = statement;
    const charset = collation === undefined ? undefined : this.charsetOf(collation);
    // All others share ASCII; swe7 has letters in the place of backticks and brackets.
    const isPlain = charset !== 'swe7' && !NOT_ASCII.test(text);
    const place = { schema, flavor: this.flavor };
    if (isPlain || (charset !== undefined && UTF8.test(charset))) {
      return { text, effect: effectOf(text, place) };
    }
    // Names do not matter to most statements, e.g. to CREATE TABLE, whose rest servers also write in a mixture of sets.
    const beginning = effectOf(`${BEGINNING.exec(text)?.[0] ?? ''} ?`, place);
    if (beginning.kind === 'none') return { text, effect: beginning };
    if (charset === undefined || statement.bytes.length > MAX_BYTES) return { text, effect: UNKNOWN };
    return this.convert(charset, Buffer.from(statement.bytes), schema);
  }

  /**
   * The server itself says what the bytes mean: no table of ours has all the characters of all its character sets. What
   * servers write themselves may be UTF-8 whatever the session spoke, so that both readings count.
   */
  private async convert(charset: string, bytes: Buffer, schema: string): Promise<ReadStatement> {
    const place = { schema, flavor: this.flavor };
    const asUtf8 = bytes.toString('utf8');
    const effects = asUtf8.includes('\ufffd') ? [] : [effectOf(asUtf8, place)];
    const text = await this.ask(charset, bytes);
    effects.push(text === undefined ? UNKNOWN : effectOf(text, { ...place, isConverted: true }));
    return { text: text ?? asUtf8, effect: mergeEffects(effects) };
  }

  /** Undefined where not every byte has a meaning. */
  private async ask(charset: string, bytes: Buffer): Promise<string | undefined> {
    if (!/^\w+$/.test(charset)) return undefined;
    let rows;
    try {
      rows = await this.control.query(
        `SELECT CONVERT(_${charset} X'${bytes.toString('hex')}' USING utf8mb4) AS text`,
      );
    } catch (error) {
      if (!sqlErrorCode(error)?.startsWith('ER_')) throw error;
      return undefined;
    }
    const text = rows[0]?.['text'];
    // A question mark stands for what cannot be converted.
    if (typeof text !== 'string' || questionMarks(text) > bytes.filter((byte) => byte === 0x3f).length) {
      return undefined;
    }
    return charset === 'swe7' ? withQuotes(text, bytes) : text;
  }
}

/** In swe7 quotes and escapes are letters, which the server does not mind. Undefined with escapes: names may have them. */
function withQuotes(text: string, bytes: Buffer): string | undefined {
  if (bytes.includes('\\')) return undefined;
  return text.replace(/./gsu, (letter, at: number) => (bytes[at] === 0x60 ? '`' : letter));
}

function questionMarks(text: string): number {
  return text.split('?').length - 1;
}
