#!/usr/bin/env node
import { runCommand } from './run-command';

// The config file may have opened what nobody closes: the process ends when the command has.
void runCommand(process.argv.slice(2)).then((code) => {
  process.stdout.write('', () => process.stderr.write('', () => process.exit(code)));
});
