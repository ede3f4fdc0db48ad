import type { Flavor } from '../../change/flavor';

/** A piece of a statement; comments and white space are left out. */
export interface SqlToken {
  /** `name`: between backticks or double quotes, so that it is no keyword; the latter may also be a string. */
  readonly kind: 'word' | 'name' | 'string' | 'symbol';
  /** Without the quotes. */
  readonly text: string;
}

/** How a statement is to be read. */
export interface Dialect {
  /** The server that executed it. */
  readonly flavor: Flavor;
  /** Whether a backslash in quotes escapes: not under the session's NO_BACKSLASH_ESCAPES. */
  readonly backslashEscapes: boolean;
  /** Whether nobody can tell if a no-break space is a letter, as in UTF-8, or white space, as in latin1. */
  readonly unclearBlanks: boolean;
}

/** What servers take for white space in every character set. */
const SPACE = /[\t-\r ]+/y;
const LINE_COMMENT = /(?:#|--(?=[\0- \x7f]|$))[^\n]*/y;
/**
 * The beginning of a comment whose content is part of the statement, with a version of 5 or 6 digits or without. `/*M!`
 * is MariaDB's alone; what a server passes over for its version, it writes into its binlog as a plain comment (MySQL
 * sql/sql_lex.cc, MariaDB sql/sql_lex.cc, lex_one_token).
 */
const EXECUTABLE_COMMENT = { mysql: /\/\*!(?:\d{6}(?=\s)|\d{5})?/y, mariadb: /\/\*M?!(?:\d{5,6})?/y };
const COMMENT = /\/\*[^]*?(?:\*\/|$)/y;
/** Letters of identifiers and keywords, and numbers; servers take every character beyond ASCII for a letter. */
const WORD = /[\w$\u0080-\uffff]+/y;
const BACKTICKS = /`((?:[^`]|``)*)`/y;
/** Without NO_BACKSLASH_ESCAPES; with it, see `PLAIN`. */
const ESCAPED = { "'": /'((?:[^'\\]|\\[^]|'')*)'/y, '"': /"((?:[^"\\]|\\[^]|"")*)"/y };
const PLAIN = { "'": /'((?:[^']|'')*)'/y, '"': /"((?:[^"]|"")*)"/y };

/**
 * Takes a statement apart.
 *
 * @returns undefined for a statement with quotes that do not end, or where nobody can tell its words apart
 */
export function tokenize(statement: string, dialect: Dialect): SqlToken[] | undefined {
  const quoted = dialect.backslashEscapes ? ESCAPED : PLAIN;
  const executableComment = EXECUTABLE_COMMENT[dialect.flavor];
  const tokens: SqlToken[] = [];
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at;
    const match = pattern.exec(statement);
    if (!match) return undefined;
    at = pattern.lastIndex;
    return match;
  };
  /** Executable comments that are open. */
  let depth = 0;
  while (at < statement.length) {
    if (take(SPACE) || take(LINE_COMMENT)) continue;
    if (take(executableComment)) {
      depth++;
      continue;
    }
    if (depth > 0 && statement.startsWith('*/', at)) {
      depth--;
      at += 2;
      continue;
    }
    if (take(COMMENT)) continue;
    const first = statement.charAt(at);
    if (first === '`' || first === '"' || first === "'") {
      const match = take(first === '`' ? BACKTICKS : quoted[first]);
      if (!match) return undefined;
      const text = (match[1] ?? '').replaceAll(first + first, first);
      tokens.push({ kind: first === "'" ? 'string' : 'name', text });
      continue;
    }
    const word = take(WORD);
    if (dialect.unclearBlanks && word?.[0].includes('\u00a0')) return undefined;
    if (word) tokens.push({ kind: 'word', text: word[0] });
    else {
      tokens.push({ kind: 'symbol', text: first });
      at++;
    }
  }
  return tokens;
}
