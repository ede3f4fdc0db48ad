import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as library from '../../lib';

const ROOT = join(__dirname, '../..');

describe('the declarations of the package', () => {
  let folder: string;
  let declarations: Map<string, string>;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'cacheflow-declarations-'));
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
    const args = [tsc, '-p', 'tsconfig.build.json', '--emitDeclarationOnly', '--outDir', folder];
    const { status, stdout } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' });
    if (status !== 0) throw new Error(stdout);
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) =>
      file.endsWith('.d.ts'),
    );
    declarations = new Map(
      files.map((file) => [file, withoutComments(readFileSync(join(folder, file), 'utf8'))]),
    );
  }, 60_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('hold no `any`', () => {
    expect(declarations.size).toBeGreaterThan(20);
    const guilty = [...declarations].flatMap(([file, text]) =>
      text.split('\n').flatMap((line) => (/\bany\b/.test(line) ? [`${file}: ${line.trim()}`] : [])),
    );
    expect(guilty).toEqual([]);
  });

  it('load no optional peer', () => {
    for (const [file, text] of declarations) {
      expect.soft(text, file).not.toMatch(/@liaoliaots|@golevelup|amqplib/);
    }
  });

  it('export nothing but by name', () => {
    const index = declarations.get('index.d.ts') ?? '';
    expect(index).not.toContain('*');
    expect(index).toContain('CacheflowModule');
  });

  it('export what reads through the cache', () => {
    const names = Object.keys(library);
    expect(names).toEqual(
      expect.arrayContaining(['Cached', 'CachedResponse', 'CacheflowInterceptor', 'tag', 'KeyUnknownError']),
    );
    // What only the library itself may call.
    expect(names.filter((name) => /Runner|Explorer|Reader|Lease|TableKeys|metadataOf/i.test(name))).toEqual(
      [],
    );
  });
});

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/\/\/.*$/gm, '');
}
