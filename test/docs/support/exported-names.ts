import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { ROOT } from './pages';

const LIBRARY = join(ROOT, 'lib/index.ts');
const SCOPE = join(ROOT, 'test/docs/fence-scope.d.ts');
const OPTIONS = join(ROOT, 'lib/options/cacheflow.options.ts');

/** The names that an app imports from the library. */
export function libraryNames(): ReadonlySet<string> {
  const names = parse(LIBRARY).statements.flatMap((statement) =>
    ts.isExportDeclaration(statement) && statement.exportClause && ts.isNamedExports(statement.exportClause)
      ? statement.exportClause.elements.map(({ name }) => name.text)
      : [],
  );
  return new Set(names);
}

/** The names that examples may use without declaring them. */
export function scopeNames(): ReadonlySet<string> {
  return declaredIn(parse(SCOPE).statements.filter((statement) => !ts.isImportDeclaration(statement)));
}

/** The names of the options of `CacheflowModule.forRoot`. */
export function optionNames(): ReadonlySet<string> {
  const found = parse(OPTIONS).statements.find(
    (statement) => ts.isInterfaceDeclaration(statement) && statement.name.text === 'CacheflowOptions',
  );
  if (!found || !ts.isInterfaceDeclaration(found)) throw new Error(`${OPTIONS} has no CacheflowOptions`);
  return new Set(found.members.map((member) => member.name?.getText() ?? ''));
}

/** The names that statements declare or import. */
export function declaredIn(statements: readonly ts.Statement[]): Set<string> {
  const names = new Set<string>();
  const add = (name: ts.Node | undefined): void => {
    if (!name) return;
    if (ts.isIdentifier(name)) names.add(name.text);
    else if (ts.isObjectBindingPattern(name) || ts.isArrayBindingPattern(name)) {
      for (const element of name.elements) if (ts.isBindingElement(element)) add(element.name);
    }
  };
  for (const statement of statements) {
    if (ts.isVariableStatement(statement)) {
      for (const declaration of statement.declarationList.declarations) add(declaration.name);
    } else if (ts.isImportDeclaration(statement)) {
      const { importClause } = statement;
      add(importClause?.name);
      const bindings = importClause?.namedBindings;
      if (bindings && ts.isNamespaceImport(bindings)) add(bindings.name);
      if (bindings && ts.isNamedImports(bindings)) for (const { name } of bindings.elements) add(name);
    } else if (
      ts.isClassDeclaration(statement) ||
      ts.isFunctionDeclaration(statement) ||
      ts.isInterfaceDeclaration(statement) ||
      ts.isTypeAliasDeclaration(statement)
    ) {
      add(statement.name);
    }
  }
  return names;
}

function parse(path: string): ts.SourceFile {
  return ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.ES2022, true);
}
