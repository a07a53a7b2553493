/** The token: the page's own, or one that is asked for when it is needed. */

import type { Options } from "./types.js";

/** Keeps one token, and has it renewed. */
export class Tokens {
  /** The one in use. */
  token: string | undefined;
  readonly #get: Options["getToken"];
  #asking: Promise<void> | null = null;

  constructor({ token, getToken }: Options) {
    this.token = token;
    this.#get = getToken;
  }

  /** The token there is; asks for the first. */
  async get(): Promise<string | undefined> {
    if (this.token === undefined && this.#get) await this.#ask();
    return this.token;
  }

  /** One that is not good was used: whether there is another now. */
  async renew(used: string | undefined): Promise<boolean> {
    if (this.token === used && this.#get) await this.#ask();
    return this.token !== used;
  }

  /** The page says which: one that is being asked for is none any more. */
  set(token: string | undefined): void {
    this.token = token;
    this.#asking = null;
  }

  #ask(): Promise<void> {
    this.#asking ??= (async () => this.#get?.())()
      .then((token) => {
        if (this.#asking === asking) this.token = token;
      })
      .finally(() => {
        if (this.#asking === asking) this.#asking = null;
      });
    const asking = this.#asking;
    return asking;
  }
}
