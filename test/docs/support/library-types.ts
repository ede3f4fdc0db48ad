import { join } from 'node:path';
import ts from 'typescript';
import { ROOT } from './pages';

const LIBRARY = join(ROOT, 'lib');
const INDEX = join(LIBRARY, 'index.ts');

/** Reads the public types of the library. */
export class LibraryTypes {
  private readonly checker: ts.TypeChecker;
  private readonly exported: ReadonlyMap<string, ts.Symbol>;

  constructor() {
    const program = ts.createProgram([INDEX], {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.NodeNext,
      moduleResolution: ts.ModuleResolutionKind.NodeNext,
      strict: true,
      experimentalDecorators: true,
      skipLibCheck: true,
      types: ['node'],
    });
    this.checker = program.getTypeChecker();
    const index = program.getSourceFile(INDEX);
    const module = index && this.checker.getSymbolAtLocation(index);
    if (!module) throw new Error(`${INDEX} exports nothing`);
    const symbols = this.checker.getExportsOfModule(module).map((symbol) => this.resolve(symbol));
    this.exported = new Map(symbols.map((symbol) => [symbol.name, symbol]));
  }

  /**
   * The paths of all properties of a type, nested ones as `group.name` and those of lists as `list[].name`, as far as
   * this library declares them.
   */
  pathsOf(typeName: string): string[] {
    const paths = new Set<string>();
    this.collect(this.typeOf(typeName), '', paths, []);
    return [...paths];
  }

  /** The texts of a type that is one of some texts. */
  wordsOf(typeName: string): string[] {
    const type = this.typeOf(typeName);
    const words = type.isUnion() ? type.types : [type];
    return words.map((word) => {
      if (!word.isStringLiteral()) throw new Error(`${typeName} is not made of texts`);
      return word.value;
    });
  }

  /** The public classes that have a `code` of their own, by their code. */
  errorClasses(): Map<string, string> {
    const classes = new Map<string, string>();
    for (const symbol of this.exported.values()) {
      if (!(symbol.flags & ts.SymbolFlags.Class)) continue;
      const code = this.checker.getDeclaredTypeOfSymbol(symbol).getProperty('code');
      const type = code && this.checker.getTypeOfSymbol(code);
      if (type?.isStringLiteral()) classes.set(type.value, symbol.name);
    }
    return classes;
  }

  private typeOf(name: string): ts.Type {
    const symbol = this.exported.get(name);
    if (!symbol) throw new Error(`The library exports no ${name}`);
    return this.checker.getDeclaredTypeOfSymbol(symbol);
  }

  private resolve(symbol: ts.Symbol): ts.Symbol {
    return symbol.flags & ts.SymbolFlags.Alias ? this.checker.getAliasedSymbol(symbol) : symbol;
  }

  private collect(type: ts.Type, path: string, paths: Set<string>, above: readonly ts.Type[]): void {
    if (above.includes(type)) return;
    const within = [...above, type];
    if (type.isUnion()) {
      for (const part of type.types) this.collect(part, path, paths, within);
      return;
    }
    const [element] = this.checker.isArrayType(type)
      ? this.checker.getTypeArguments(type as ts.TypeReference)
      : [];
    if (element) return this.collect(element, `${path}[]`, paths, within);
    if (isOpaque(type)) return;
    for (const property of this.checker.getPropertiesOfType(type)) {
      if (!isOurs(property)) continue;
      const name = path === '' ? property.name : `${path}.${property.name}`;
      paths.add(name);
      this.collect(this.checker.getTypeOfSymbol(property), name, paths, within);
    }
  }
}

/** What is called or made by the app, and texts with a mark, have nothing that could be set. */
function isOpaque(type: ts.Type): boolean {
  const isCallable = type.getCallSignatures().length > 0 || type.getConstructSignatures().length > 0;
  const isMarked =
    type.isIntersection() && type.types.some(({ flags }) => (flags & ts.TypeFlags.StringLike) !== 0);
  return isCallable || isMarked;
}

function isOurs({ declarations = [] }: ts.Symbol): boolean {
  return declarations.some((declaration) => declaration.getSourceFile().fileName.startsWith(`${LIBRARY}/`));
}
