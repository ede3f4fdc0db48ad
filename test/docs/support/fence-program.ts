import { join } from 'node:path';
import ts from 'typescript';
import { moduleOf } from './fence-module';
import type { FenceModule } from './fence-module';
import type { Fence } from './markdown';
import { ROOT } from './pages';

const OPTIONS: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2022,
  lib: ['lib.es2023.d.ts'],
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  strict: true,
  noImplicitOverride: true,
  experimentalDecorators: true,
  emitDecoratorMetadata: true,
  esModuleInterop: true,
  skipLibCheck: true,
  noEmit: true,
  types: ['node'],
  paths: { 'nestjs-cacheflow': [join(ROOT, 'lib/index.ts')] },
};

interface Entry extends FenceModule {
  readonly page: string;
  readonly fence: Fence;
}

/** Compiles the TypeScript of all pages in one program. */
export class FenceProgram {
  private readonly entries = new Map<string, Entry>();
  private readonly program: ts.Program;

  /** @param pages their fences, by page */
  constructor(pages: ReadonlyMap<string, readonly Fence[]>) {
    for (const [page, fences] of pages) {
      // The files are nowhere but here; where they would be decides what they can import.
      for (const fence of fences.filter(({ language }) => language === 'ts')) {
        const name = join(ROOT, '.fences', `${this.entries.size}.mts`);
        this.entries.set(name, { page, fence, ...moduleOf(fence) });
      }
    }
    this.program = ts.createProgram([...this.entries.keys()], OPTIONS, this.host());
  }

  /** What is wrong with the fences of a page, as `page:line: what`. */
  problemsOf(page: string): string[] {
    return [...this.entries].flatMap(([name, entry]) => {
      const file = this.program.getSourceFile(name);
      if (entry.page !== page || !file) return [];
      const found = [
        ...this.program.getSyntacticDiagnostics(file),
        ...this.program.getSemanticDiagnostics(file),
      ];
      return found.map((diagnostic) => describe(entry, file, diagnostic));
    });
  }

  private host(): ts.CompilerHost {
    const host = ts.createCompilerHost(OPTIONS);
    const { fileExists, readFile, getSourceFile } = host;
    return {
      ...host,
      fileExists: (name) => this.entries.has(name) || fileExists(name),
      readFile: (name) => this.entries.get(name)?.text ?? readFile(name),
      getSourceFile: (name, version, ...rest) => {
        const text = this.entries.get(name)?.text;
        if (text === undefined) return getSourceFile(name, version, ...rest);
        return ts.createSourceFile(name, text, version);
      },
    };
  }
}

function describe({ page, fence }: Entry, file: ts.SourceFile, diagnostic: ts.Diagnostic): string {
  // The first line is ours.
  const { line } = ts.getLineAndCharacterOfPosition(file, diagnostic.start ?? 0);
  const last = fence.line + fence.code.split('\n').length - 1;
  const place = Math.min(last, fence.line + Math.max(0, line - 1));
  const message = ts.flattenDiagnosticMessageText(diagnostic.messageText, '\n  ');
  return `${page}:${place}: ${message} (TS${diagnostic.code})`;
}
