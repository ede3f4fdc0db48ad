/** What the promise comes to, or what the function gives when that takes too long. */
export async function withTimeout<T>(promise: Promise<T>, millis: number, late: () => T): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => {
      // An answer that is there already, and was not read while the app was busy, is in time.
      setImmediate(() => {
        try {
          resolve(late());
        } catch (error) {
          reject(error as Error);
        }
      });
    }, millis);
    promise.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(error as Error);
      },
    );
  });
}
