/** What runs a server: a process of this machine, or a container. */
export interface Runtime {
  readonly port: number;
  readonly pid: number;
  readonly dataDir: string;
  /** Launches the server; it need not answer yet. */
  start(): Promise<void>;
  isAlive(): Promise<boolean>;
  stop(): Promise<void>;
  kill(): Promise<void>;
  pause(): void;
  resume(): void;
  dispose(): Promise<void>;
  /** The last lines of the server's log. */
  logTail(): Promise<string>;
}
