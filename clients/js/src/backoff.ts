/** How long to stay away, as docs/protocol.md has it. */

/** Seconds: the most that one waits of its own accord. */
export const CAP = 30;

/** Waits of a random time of up to 1 second, then up to 2, 4, 8, … and never more than the cap. */
export class Backoff {
  #next = 1;
  #last = 0;
  readonly #cap: number;

  constructor(cap: number = CAP) {
    this.#cap = cap;
  }

  /** Seconds to wait now. From 0 on: who was cut off together must not come back together. */
  next(): number {
    this.#last = this.#next;
    this.#next = Math.min(this.#cap, this.#next * 2);
    return Math.random() * this.#last;
  }

  /** What was waited for has held for so many seconds: as long as the last wait, and it counts. */
  held(seconds: number): void {
    if (seconds >= this.#last) this.#next = 1;
  }
}

/** Whether a connection that was closed with this code is to be opened again. */
export function reconnects(code: number): boolean {
  if (code >= 4000) return code >= 4500 && code < 4600;
  return [1001, 1005, 1006, 1011, 1012, 1013, 1014].includes(code);
}

/** After so many milliseconds, or when the network is back, or one of the signals aborts. */
export function pause(
  milliseconds: number,
  ...signals: (AbortSignal | undefined)[]
): Promise<void> {
  return new Promise((resolve) => {
    const over = new AbortController();
    const end = (): void => {
      clearTimeout(timer);
      over.abort();
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    globalThis.addEventListener?.("online", end, over);
    for (const signal of signals) {
      signal?.addEventListener("abort", end, over);
      if (signal?.aborted) end();
    }
  });
}
