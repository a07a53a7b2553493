/** Calling what the page gave. */

/** Call it; what it throws is the page's to see, and stops nothing here. */
export function call<A extends unknown[]>(
  listener: ((...args: A) => unknown) | undefined,
  ...args: A
): void {
  try {
    listener?.(...args);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
