import type { ServerInfo } from './control-connection';
import { ControlConnection } from './control-connection';
import type { MysqlSourceOptions } from '../options/cacheflow.options';

interface Opened {
  readonly control: ControlConnection;
  readonly server: ServerInfo;
}

/** One connection for all who ask at the same time. It ends with the last of them. */
export class SharedConnection {
  private opened: Promise<Opened> | undefined;
  private users = 0;

  constructor(
    private readonly options: MysqlSourceOptions,
    private readonly signal: AbortSignal,
  ) {}

  /** Rejects with mysql2's error, or with the signal's reason. */
  async use<T>(ask: (control: ControlConnection, server: ServerInfo) => Promise<T>): Promise<T> {
    const opened = (this.opened ??= this.open());
    this.users++;
    try {
      const { control, server } = await opened;
      return await ask(control, server);
    } catch (error) {
      // It may have broken: whoever comes next gets another one.
      if (this.opened === opened) this.forget();
      throw error;
    } finally {
      this.users--;
      if (this.users === 0) this.forget();
    }
  }

  private async open(): Promise<Opened> {
    const control = await ControlConnection.open(this.options, this.signal);
    try {
      return { control, server: await control.serverInfo() };
    } catch (error) {
      control.close();
      throw error;
    }
  }

  private forget(): void {
    const { opened } = this;
    this.opened = undefined;
    // One that never came about has told its users so.
    void opened?.then(({ control }) => control.close()).catch(() => undefined);
  }
}
