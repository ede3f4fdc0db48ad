/** What a contender is told. */
export interface Job {
  readonly mysql: {
    readonly host: string;
    readonly port: number;
    readonly user: string;
    readonly password: string;
  };
  readonly redisPort: number;
  readonly start: { readonly file: string; readonly offset: number };
  /** Row changes to get through. */
  readonly rows: number;
}

/** Gets through all row changes; calls `onHalf` once about half of them are done. */
export type Contender = (job: Job, onHalf: () => void) => Promise<void>;
