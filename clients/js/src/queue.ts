/** What has come and is not yet asked for, as an async iterator. */

/** Unbounded: whoever makes one reads it, or returns it. */
export class Queue<T> implements AsyncIterableIterator<T> {
  readonly #items: T[] = [];
  readonly #waiting: {
    resolve: (result: IteratorResult<T, undefined>) => void;
    reject: (error: unknown) => void;
  }[] = [];
  #over = false;
  #error: unknown = null;
  readonly #onReturn: (queue: Queue<T>) => void;

  constructor(onReturn: (queue: Queue<T>) => void) {
    this.#onReturn = onReturn;
  }

  /** One more. */
  push(item: T): void {
    if (this.#over) return;
    const waiting = this.#waiting.shift();
    if (waiting) waiting.resolve({ value: item, done: false });
    else this.#items.push(item);
  }

  /** No more will come; with an error, that is thrown after the last. */
  end(error: unknown = null): void {
    if (this.#over) return;
    this.#over = true;
    this.#error = error;
    for (const waiting of this.#waiting.splice(0)) {
      this.next().then(waiting.resolve, waiting.reject);
    }
  }

  async next(): Promise<IteratorResult<T, undefined>> {
    if (this.#items.length) return { value: this.#items.shift() as T, done: false };
    if (!this.#over) {
      return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
    }
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
