import type { ControlConnection } from '../mysql/control-connection';

/** Parts of the binlog's retention that may be eaten up by the lag before somebody has to know. */
const WARN_AT = [0.5, 0.8];

/** Says when the tail is so far behind that the source will soon purge what was not read yet. */
export class RetentionWatch {
  /** How many of the thresholds were passed. */
  private passed = 0;

  private constructor(private readonly retentionMillis: number | undefined) {}

  /** Asks how long the source keeps its binlog: MySQL and MariaDB 10.6 in seconds, older MariaDB in days. */
  static async of(control: ControlConnection): Promise<RetentionWatch> {
    const settings = await control.variables('binlog_expire_logs_seconds', 'expire_logs_days');
    const seconds = Number(settings.get('binlog_expire_logs_seconds') ?? 0);
    const days = Number(settings.get('expire_logs_days') ?? 0);
    const millis = seconds > 0 ? seconds * 1_000 : days * 24 * 3_600 * 1_000;
    return new RetentionWatch(millis > 0 ? millis : undefined);
  }

  /** A warning when the lag has passed a threshold since the last call; undefined otherwise. */
  warning(lagMillis: number): string | undefined {
    if (this.retentionMillis === undefined) return undefined;
    const part = lagMillis / this.retentionMillis;
    const passed = WARN_AT.filter((threshold) => part >= threshold).length;
    const before = this.passed;
    this.passed = passed;
    if (passed <= before) return undefined;
    return (
      `The tail is ${Math.round(lagMillis / 1_000)} s behind, ${Math.round(part * 100)} % of the time for which the source ` +
      'keeps its binlog; what is purged before it was read costs all keys of the watched tables. Raise ' +
      'binlog_expire_logs_seconds, or find out what holds the tail'
    );
  }
}
