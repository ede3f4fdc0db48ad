import { setImmediate as immediate } from 'node:timers/promises';
import type { Flight, FlightResult, Loaded } from './flights';
import { Flights } from './flights';
import type { LoadJob, LeaseLoader, LoadAll } from './lease-loader';
import type { LeaseRequest } from './leases';
import type { ReadPlan } from './read-options';
import { withTimeout } from '../support/with-timeout';

const NO_FLIGHTS: ReadonlyMap<string, Flight> = new Map();

/** Somebody else's flight that a request waits for. */
interface Joined {
  readonly request: LeaseRequest;
  readonly flight: Flight;
  /** The step that the flight had come to. */
  readonly step: number;
  readonly isLate: boolean;
}

/**
 * Gets what the cache does not have; within the process, callers who want the same share a flight. A caller gets nothing
 * that may be older than its call, unless the cache held it at a later time.
 */
export class MissLoader {
  private readonly flights = new Flights();
  /** Of callers who must not be served what the cache holds. */
  private readonly strictFlights = new Flights();

  constructor(private readonly loader: LeaseLoader) {}

  /** Rejects with the loader's error. */
  async fetch(
    requests: readonly LeaseRequest[],
    load: LoadAll,
    plan: ReadPlan,
    isStrict: boolean,
  ): Promise<Map<string, Loaded>> {
    const results = new Map<string, Loaded>();
    const flights = isStrict ? this.strictFlights : this.flights;
    // What depends on other tags is another value.
    const suffix = plan.tags.length > 0 ? `\0${plan.tags.join('\0')}` : '';
    let hasWaited = false;
    const own = requests.filter(({ key }) => this.loader.isLoading(key));
    if (own.length > 0) {
      // The load that is going on will fill it.
      const job: LoadJob = { plan, load, isStrict, waitMillis: 0, flights: NO_FLIGHTS };
      await this.loader.loadAlone(
        own.map(({ key }) => key),
        job,
        (key, loaded) => results.set(key, loaded),
      );
    }
    for (let missing = requests.filter(({ key }) => !results.has(key)); missing.length > 0;) {
      const joined: Joined[] = [];
      const free = missing.filter((request) => {
        const flight = flights.of(request.key + suffix);
        if (flight) joined.push({ request, flight, step: flight.step, isLate: flight.isLoading });
        return !flight;
      });
      const begun = new Map(free.map(({ key }) => [key, flights.begin(key + suffix)]));
      const job: LoadJob = {
        plan,
        load,
        isStrict,
        flights: begun,
        waitMillis: hasWaited ? 0 : plan.waitMillis,
      };
      const again: LeaseRequest[] = [];
      await Promise.all([
        free.length > 0 ? this.fly(free, job, results) : undefined,
        ...joined.map(async (each) => {
          const { key } = each.request;
          const result = await resultOf(each, plan.waitMillis, () => (hasWaited = true));
          if (result?.loaded.isOwn) {
            const alone = { ...job, flights: NO_FLIGHTS };
            await this.loader.loadAlone([key], alone, (_key, loaded) => results.set(key, loaded));
          } else if (result && result.validFrom > each.step) results.set(key, result.loaded);
          else again.push(each.request);
        }),
      ]);
      missing = again;
    }
    return results;
  }

  private async fly(
    requests: readonly LeaseRequest[],
    job: LoadJob,
    results: Map<string, Loaded>,
  ): Promise<void> {
    const { flights, plan } = job;
    // A fill would be refused by then, and who comes later should not depend on a loader that may never come back.
    const timer = setTimeout(() => landAll(flights), plan.leaseMillis).unref();
    try {
      // Whoever finds the same missing in this turn joins before the first step, and can have whatever comes of it.
      await immediate();
      await this.loader.obtain(requests, job, (key, loaded, validFrom) => {
        results.set(key, loaded);
        flights.get(key)?.land({ loaded, validFrom });
      });
    } catch (error) {
      // Others may have another loader, and should not suffer from a key that they did not ask for.
      if (flights.size === 1) for (const flight of flights.values()) flight.fail(error);
      throw error;
    } finally {
      clearTimeout(timer);
      landAll(flights);
    }
  }
}

/**
 * Who joins a load that goes on already would have to load anew in many cases, and waits only so long: the load may be
 * waiting for the caller itself, where a loader reads the key that it loads.
 */
async function resultOf(
  { flight, isLate }: Joined,
  waitMillis: number,
  onTimeout: () => void,
): Promise<FlightResult | undefined> {
  if (!isLate) return flight.result;
  return withTimeout(flight.result, waitMillis, () => {
    flight.leave();
    onTimeout();
    return undefined;
  });
}

function landAll(flights: ReadonlyMap<string, Flight>): void {
  for (const flight of flights.values()) flight.land(undefined);
}
