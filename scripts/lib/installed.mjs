import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './exec.mjs';

/**
 * Whether node_modules holds what package-lock.json asks for, by npm's own record of what it installed. So an
 * install that somebody made by hand counts too.
 */
export function isInstalled() {
  const wanted = packagesOf('package-lock.json');
  const present = packagesOf('node_modules/.package-lock.json');
  return Object.entries(wanted).every(([path, { version, integrity, optional }]) => {
    if (path === '') return true;
    const found = present[path];
    // Optional packages, such as binaries for other systems, need not be there.
    if (!found) return optional === true;
    return found.version === version && found.integrity === integrity;
  });
}

function packagesOf(file) {
  try {
    return JSON.parse(readFileSync(join(ROOT, file), 'utf8')).packages;
  } catch (error) {
    if (error.code === 'ENOENT') return {};
    throw error;
  }
}
