import { randomInt } from 'node:crypto';

const LOWEST = 2 ** 30;
const HIGHEST = 2 ** 32 - 1;

/**
 * The server id to start with: the environment's `CACHEFLOW_SERVER_ID`, else the option, else a generated one.
 *
 * Throws a RangeError when the environment's is not a server id.
 */
export function chooseServerId(
  option: number | undefined,
  environment = process.env['CACHEFLOW_SERVER_ID'],
): number {
  if (environment !== undefined && environment !== '') {
    const id = Number(environment);
    if (!isServerId(id)) {
      throw new RangeError('CACHEFLOW_SERVER_ID has to be a whole number from 1 to 4294967295');
    }
    return id;
  }
  return option ?? generateServerId();
}

/** A random id above 2^30, where people seldom number their servers; two processes of one host differ as well. */
export function generateServerId(): number {
  return LOWEST + randomInt(HIGHEST - LOWEST + 1);
}

export function isServerId(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= HIGHEST;
}
