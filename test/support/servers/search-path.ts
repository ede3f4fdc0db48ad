import { accessSync, constants } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';

/** PATH, and the folders of servers that are not on everybody's PATH. */
export function searchPath(): string[] {
  const path = (process.env.PATH ?? '').split(delimiter).filter(Boolean);
  return [...path, '/usr/sbin', '/usr/local/sbin'];
}

/** The first of the names, or absolute paths, that can be executed. */
export function findTool(...names: string[]): string | undefined {
  const candidates = names.flatMap((name) =>
    isAbsolute(name) ? [name] : searchPath().map((folder) => join(folder, name)),
  );
  return candidates.find(isExecutable);
}

export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
