import type { Inspection } from './inspection';

/** What the binlog has to be set to. */
export function checkSettings({ settings, result }: Inspection): void {
  const { faults, warnings } = result;
  if (settings.get('log_bin') === 'OFF') {
    faults.push({
      subject: 'log_bin',
      problem: 'the server writes no binlog',
      fix: 'Start the server with --log-bin (my.cnf: [mysqld] log_bin = binlog)',
    });
  }
  const format = settings.get('binlog_format');
  if (format !== undefined && format !== 'ROW') {
    faults.push({
      subject: 'binlog_format',
      problem: `it is ${format}, so that the binlog has statements instead of rows`,
      fix: "SET GLOBAL binlog_format = 'ROW'; then reconnect the application's sessions",
    });
  }
  if (settings.get('binlog_transaction_compression') === 'ON') {
    faults.push({
      subject: 'binlog_transaction_compression',
      problem: 'compressed transactions cannot be read',
      fix: 'SET GLOBAL binlog_transaction_compression = OFF',
    });
  }
  if (settings.get('binlog_row_value_options')) {
    faults.push({
      subject: 'binlog_row_value_options',
      problem: 'partial JSON updates cannot be read',
      fix: "SET GLOBAL binlog_row_value_options = ''",
    });
  }
  if (settings.get('binlog_order_commits') === 'OFF') {
    faults.push({
      subject: 'binlog_order_commits',
      problem: 'transactions become readable in another order than that of the binlog',
      fix: 'SET GLOBAL binlog_order_commits = ON',
    });
  }
  const metadata = settings.get('binlog_row_metadata');
  if (metadata !== 'FULL') {
    warnings.push(
      `binlog_row_metadata is ${metadata ?? 'unknown to this server'}: column names are taken from the table as it is ` +
        "now, which is wrong while old changes from before an ALTER are read. SET GLOBAL binlog_row_metadata = 'FULL'",
    );
  }
}
