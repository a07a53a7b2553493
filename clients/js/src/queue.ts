/** What has come and is not yet asked for, as an async iterator. */

/** Unbounded: whoever makes one reads it, or returns it. */
export class Queue<T> implements AsyncIterableIterator<T> {
  readonly #items: T[] = [];
  readonly #waiting: (() => void)[] = [];
  #over = false;
  #error: unknown = null;
  readonly #onReturn: (queue: Queue<T>) => void;

  constructor(onReturn: (queue: Queue<T>) => void) {
    this.#onReturn = onReturn;
  }

  /** One more. */
  push(item: T): void {
    if (this.#over) return;
    this.#items.push(item);
    this.#waiting.shift()?.();
  }

  /** No more will come; with an error, that is thrown after the last. */
  end(error: unknown = null): void {
    if (this.#over) return;
    this.#over = true;
    this.#error = error;
    for (const wake of this.#waiting) wake();
  }

  async next(): Promise<IteratorResult<T, undefined>> {
    while (!this.#items.length && !this.#over) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    if (this.#items.length) return { value: this.#items.shift() as T, done: false };
    const error = this.#error;
    this.#error = null;
    if (error !== null) throw error;
    return { value: undefined, done: true };
  }

  async return(): Promise<IteratorResult<T, undefined>> {
    this.#items.length = 0;
    this.end();
    this.#onReturn(this);
    return { value: undefined, done: true };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
