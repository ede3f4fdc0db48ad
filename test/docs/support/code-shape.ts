import ts from 'typescript';
import { moduleOf } from './fence-module';
import type { Fence } from './markdown';

/** Comments of languages that need no parser for them; texts are passed over whole. */
const COMMENTS: Readonly<Record<string, RegExp>> = {
  sh: /('[^']*'|"[^"]*")|(?<=^|\s)#.*/gm,
  yaml: /('[^']*'|"[^"]*")|(?<=^|\s)#.*/gm,
  ini: /('[^']*'|"[^"]*")|^\s*[#;].*/gm,
  sql: /('[^']*'|"[^"]*"|`[^`]*`)|--\s.*|\/\*[^]*?\*\//gm,
};

/** The code of a fence without comments and blanks; undefined for a drawing or an output, which hold prose. */
export function codeShape(fence: Fence): string | undefined {
  const { language, code } = fence;
  if (language === 'ts' || language === 'js') return tokensOf(moduleOf(fence).body).join(' ');
  if (language === 'json') return squeezed(code);
  const comments = COMMENTS[language];
  return comments && squeezed(code.replace(comments, (_all, text: string | undefined) => text ?? ''));
}

function squeezed(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}

function tokensOf(text: string): string[] {
  const file = ts.createSourceFile('fence.mts', text, ts.ScriptTarget.ES2022, true);
  const tokens: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isJSDoc(node)) return;
    const children = node.getChildren(file);
    if (children.length === 0) tokens.push(node.getText(file));
    for (const child of children) visit(child);
  };
  visit(file);
  return tokens.filter((token) => token !== '');
}
