/** Does something with each, so many at a time. When one rejects, no more are begun and the result rejects. */
export async function eachLimited<T>(
  limit: number,
  items: Iterable<T>,
  task: (item: T) => Promise<void>,
): Promise<void> {
  const rest = items[Symbol.iterator]();
  let failed = false;
  const worker = async (): Promise<void> => {
    try {
      for (let next = rest.next(); !next.done && !failed; next = rest.next()) await task(next.value);
    } catch (error) {
      failed = true;
      throw error;
    }
  };
  await Promise.all(Array.from({ length: limit }, worker));
}
