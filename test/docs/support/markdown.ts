/** A fenced block of code. */
export interface Fence {
  /** The word after the backticks; empty without one. */
  readonly language: string;
  readonly code: string;
  /** The line of its first line of code, from 1 on. */
  readonly line: number;
}

export interface Heading {
  readonly depth: number;
  /** As it is written. */
  readonly text: string;
  readonly line: number;
}

export interface Link {
  readonly target: string;
  readonly line: number;
}

/** A row of a table, as its cells are written; the row of dashes is left out. */
export type TableRow = readonly string[];

/** What the tests look at of a page. */
export interface Markdown {
  readonly text: string;
  readonly fences: readonly Fence[];
  readonly headings: readonly Heading[];
  readonly links: readonly Link[];
  readonly rows: readonly TableRow[];
}

const FENCE = /^( *)(`{3,}|~{3,})\s*([\w-]*)/;
const HEADING = /^(#{1,6})\s+(.*?)\s*#*$/;
const LINK = /\[(?:[^[\]]|\[[^\]]*\])*\]\(([^)\s]+)(?:\s+"[^"]*")?\)/g;
const REFERENCE = /^\[[^\]]+\]:\s+(\S+)/;
const CODE_SPAN = /(`+)(?:(?!`)[^]*?[^`])?\1(?!`)/g;

export function parseMarkdown(text: string): Markdown {
  const fences: Fence[] = [];
  const headings: Heading[] = [];
  const links: Link[] = [];
  const rows: TableRow[] = [];
  const lines = text.split('\n');
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? '';
    const [, indent = '', mark, language = ''] = FENCE.exec(line) ?? [];
    if (mark !== undefined) {
      const code: string[] = [];
      const begin = at + 2;
      while (++at < lines.length && !isEnd(lines[at] ?? '', mark)) {
        code.push((lines[at] ?? '').replace(new RegExp(`^ {0,${indent.length}}`), ''));
      }
      fences.push({ language, code: code.join('\n'), line: begin });
      continue;
    }
    const [, marks, title = ''] = HEADING.exec(line) ?? [];
    if (marks !== undefined) headings.push({ depth: marks.length, text: title, line: at + 1 });
    if (line.startsWith('|') && !/^[|\s:-]+$/.test(line)) rows.push(cellsOf(line));
    const prose = line.replace(CODE_SPAN, '');
    for (const [, target = ''] of prose.matchAll(LINK)) links.push({ target, line: at + 1 });
    const [, reference] = REFERENCE.exec(prose) ?? [];
    if (reference !== undefined) links.push({ target: reference, line: at + 1 });
  }
  return { text, fences, headings, links, rows };
}

/** What stands between the backticks of a text. */
export function codeSpansOf(text: string): string[] {
  return [...text.matchAll(CODE_SPAN)].map(([span, mark = '']) =>
    span.slice(mark.length, span.length - mark.length).trim(),
  );
}

function isEnd(line: string, mark: string): boolean {
  const text = line.trim();
  return text.startsWith(mark) && text.replaceAll(mark.charAt(0), '') === '';
}

/** A pipe with a backslash before it belongs to the text. */
function cellsOf(line: string): string[] {
  const cells = line.trim().split(/(?<!\\)\|/);
  return cells.slice(1, -1).map((cell) => cell.trim().replaceAll('\\|', '|'));
}
