/** What a load brought. */
export interface Loaded {
  /** As it goes into the cache, and out of it again for each caller; undefined where it cannot be cached. */
  readonly text: string | undefined;
  /** As the loader gave it. */
  readonly raw: unknown;
  /** For nobody but its caller, as a stream that can be read only once. */
  readonly isOwn?: boolean;
}

export interface FlightResult {
  readonly loaded: Loaded;
  /** The cache held it when the flight ended: it was as right then as any value that is found there. */
  readonly current: boolean;
}

/** One way of one key: asking for the lease, loading, filling. Others who want the same key at that time wait for it. */
export class Flight {
  /** The load has begun: what it brings may be older than a caller who comes now. */
  loading = false;
  /** Undefined where it took so long that nobody should wait any more. */
  readonly result: Promise<FlightResult | undefined>;
  private resolve!: (result: FlightResult | undefined) => void;
  private reject!: (error: unknown) => void;

  constructor(private readonly onEnd: (flight: Flight) => void) {
    this.result = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // Whether or not somebody waits.
    this.result.catch(() => undefined);
  }

  land(result: FlightResult | undefined): void {
    this.onEnd(this);
    this.resolve(result);
  }

  fail(error: unknown): void {
    this.onEnd(this);
    this.reject(error);
  }
}

/** The flights of this process, one for each key. */
export class Flights {
  private readonly flights = new Map<string, Flight>();

  of(key: string): Flight | undefined {
    return this.flights.get(key);
  }

  begin(key: string): Flight {
    const flight = new Flight((ended) => {
      if (this.flights.get(key) === ended) this.flights.delete(key);
    });
    this.flights.set(key, flight);
    return flight;
  }
}
