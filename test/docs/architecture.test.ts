import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import floors from '../../floors.cjs';
import { ROOT, readPage } from './support/pages';

const { FLOORS, SATELLITES, PLANNED } = floors;
const existing = FLOORS.flat().filter((room) => !PLANNED.includes(room));

/** The lines of the picture, from the top: the rooms of each floor. */
function pictureIn(page: string): string[][] {
  const text = readFileSync(join(ROOT, page), 'utf8');
  const picture = /─{8,}\n([^]*?)```/.exec(text)?.[1] ?? '';
  return picture
    .trim()
    .split('\n')
    .map((line) => line.trim().split(' · '));
}

describe('the floors of lib/', () => {
  it('are all its folders', () => {
    const folders = readdirSync(join(ROOT, 'lib'), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
    const known = [...FLOORS.flat(), ...SATELLITES];
    expect(folders.filter((name) => !known.includes(name))).toEqual([]);
    expect(existing.filter((room) => !folders.includes(room))).toEqual([]);
  });

  it.each(['docs/internals/architecture.md', 'docs/zh-CN/internals/architecture.md'])(
    'are those of the picture in %s',
    (page) => {
      const drawn = FLOORS.map((rooms) => rooms.map((room) => (PLANNED.includes(room) ? `(${room})` : room)));
      expect(pictureIn(page)).toEqual([...drawn].reverse());
    },
  );

  it('have one sentence for each room in CONTRIBUTING', () => {
    const rows = readPage('CONTRIBUTING.md').rows.filter(([first = '']) => /^`\w+`$/.test(first));
    const sentences = new Map(rows.map(([room = '', sentence = '']) => [room.slice(1, -1), sentence]));
    const missing = existing.filter((room) => !/^[A-Z].*\.$/.test(sentences.get(room) ?? ''));
    expect(missing).toEqual([]);
  });
});
