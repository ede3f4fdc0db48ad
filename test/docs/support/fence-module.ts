import ts from 'typescript';
import { declaredIn, libraryNames, optionNames, scopeNames } from './exported-names';
import type { Fence } from './markdown';

const PACKAGE = 'nestjs-cacheflow';
const NEST = '@nestjs/common';
const NEST_NAMES: ReadonlySet<string> = new Set(
  'Injectable Module Inject Controller Get Param Patch Body UseInterceptors'.split(' '),
);
const FIRST_WORD = /^(?:\s|\/\/.*\n)*(\w+):/;

/** A fence as a module of its own: what stands before its code is in one line. */
export interface FenceModule {
  readonly text: string;
  /** Its code alone, closed where it was only options. */
  readonly body: string;
}

/** Completes a fence of TypeScript, so that it compiles alone. */
export function moduleOf({ code }: Fence): FenceModule {
  const body = isOptions(code) ? `const options: Partial<CacheflowOptions> = { ${code}\n};` : code;
  const file = ts.createSourceFile('fence.mts', body, ts.ScriptTarget.ES2022, true);
  const known = declaredIn(file.statements);
  const free = [...identifiersIn(file)].filter((name) => !known.has(name)).sort();
  const imports = importsPackage(file) ? [] : [importOf(free, libraryNames(), PACKAGE)];
  if (imports.length > 0) imports.push(importOf(free, NEST_NAMES, NEST));
  imports.push(importOf(free, scopeNames(), '../test/docs/fence-scope.js'), 'export {};');
  return { text: `${imports.join(' ')}\n${body}\n`, body };
}

/** Whether a fence shows options without the object around them. */
function isOptions(code: string): boolean {
  return optionNames().has(FIRST_WORD.exec(code)?.[1] ?? '');
}

function importsPackage(file: ts.SourceFile): boolean {
  return file.statements.some(
    (statement) =>
      ts.isImportDeclaration(statement) &&
      ts.isStringLiteral(statement.moduleSpecifier) &&
      statement.moduleSpecifier.text === PACKAGE,
  );
}

function importOf(names: readonly string[], exported: ReadonlySet<string>, from: string): string {
  const imported = names.filter((name) => exported.has(name));
  return imported.length === 0 ? '' : `import { ${imported.join(', ')} } from '${from}';`;
}

function identifiersIn(file: ts.SourceFile): Set<string> {
  const names = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node)) names.add(node.text);
    ts.forEachChild(node, visit);
  };
  visit(file);
  return names;
}
