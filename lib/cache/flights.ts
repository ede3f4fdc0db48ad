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
  /** The step from which on it was as right as anything: who joined before that step began may have it. */
  readonly validFrom: number;
}

/**
 * One way of one value: asking for the lease, loading, filling. Others who want the same at that time wait for it. Each
 * of these steps has a number, so that nobody gets what may be older than the call.
 */
export class Flight {
  /** Undefined where nobody should wait any more. */
  readonly result: Promise<FlightResult | undefined>;
  /** The load has begun. */
  isLoading = false;
  private steps = 0;
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

  /** The latest step. */
  get step(): number {
    return this.steps;
  }

  /** Begins the next step. */
  nextStep(): number {
    return ++this.steps;
  }

  land(result: FlightResult | undefined): void {
    this.leave();
    this.resolve(result);
  }

  fail(error: unknown): void {
    this.leave();
    this.reject(error);
  }

  /** Nobody joins it any more. */
  leave(): void {
    this.onEnd(this);
  }
}

/** The flights of this process, one for each value. */
export class Flights {
  private readonly flights = new Map<string, Flight>();

  of(name: string): Flight | undefined {
    return this.flights.get(name);
  }

  begin(name: string): Flight {
    const flight = new Flight((ended) => {
      if (this.flights.get(name) === ended) this.flights.delete(name);
    });
    this.flights.set(name, flight);
    return flight;
  }
}
