import type { ConfigurationFault } from '../errors/configuration.error';
import type { TableRules } from '../keys/table-rules';
import { isExact } from '../keys/table-rules';
import type { BinlogHandler } from './on-binlog.explorer';

/** Handlers that would never be called, because no watched table matches their pattern. */
export function handlerFaults(handlers: readonly BinlogHandler[], rules: TableRules): ConfigurationFault[] {
  return handlers.flatMap((handler) =>
    handler.patterns.flatMap((pattern) => {
      const [schema = '', table = ''] = pattern.source.split('.');
      const named = !pattern.source.includes('*') && rules.find(schema, table) !== undefined;
      const reached =
        named ||
        rules.all.some((rule) =>
          isExact(rule) ? pattern.matches(rule.db, rule.table) : pattern.source.includes('*'),
        );
      if (reached) return [];
      return {
        subject: `@OnBinlog('${pattern.source}') on ${handler.name}`,
        problem: 'no entry of `tables` matches it, so that it would never be called',
        fix: `Add the table to \`tables\`, e.g. { db: '${schema}', table: '${table || '*'}' }, or correct the pattern`,
      };
    }),
  );
}
