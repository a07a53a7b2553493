/**
 * Who one is: a name, and the token that says so.
 *
 * The token is in memory only, and lasts an hour; a cookie that no script sees gets the next one.
 * For another way of signing in (OIDC), have `token()` give what your library has.
 */

import { type Api, ApiError } from "./api.js";
import { keep, recall } from "./state/kept.js";
import { Store } from "./state/store.js";
import type { Person, Session } from "./types.js";

/** Milliseconds before its end that a token is not used any more: it has to last for a request. */
const MARGIN = 30_000;

/** Says that there may be a cookie: nobody who never signed in is asked for. */
const HINT = "signed-in";

export class SignIn {
  /** null: nobody; undefined: not known yet. */
  readonly person = new Store<Person | null | undefined>(
    recall(HINT, (value) => (value === true ? true : undefined)) === true ? undefined : null,
  );
  readonly #api: Api;
  #session: { token: string; until: number } | null = null;
  #refreshing: Promise<string | undefined> | null = null;

  constructor(api: Api) {
    this.#api = api;
  }

  async signIn(name: string): Promise<void> {
    this.#take(await this.#api.signIn(name));
  }

  async signOut(): Promise<void> {
    await this.#api.signOut();
    this.#forget();
  }

  /** A token that is good for a while; undefined: nobody is signed in. For `connect`'s `getToken`. */
  readonly token = async (): Promise<string | undefined> => {
    if (this.person.get() === null) return undefined;
    if (this.#session !== null && Date.now() < this.#session.until) return this.#session.token;
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  };

  /** The token was refused: the next one is a fresh one. */
  distrust(): void {
    if (this.#session !== null) this.#session.until = 0;
  }

  async #refresh(): Promise<string | undefined> {
    try {
      return this.#take(await this.#api.refresh());
    } catch (error) {
      // Only the server knows that there is no session; without a network nothing is known.
      if (!(error instanceof ApiError) || error.status === 0 || error.status >= 500) throw error;
      this.#forget();
      return undefined;
    }
  }

  #forget(): void {
    this.#session = null;
    keep(HINT, undefined);
    this.person.set(null);
  }

  #take({ token, expires_in, person }: Session): string {
    // By this clock, whatever the server's says.
    this.#session = { token, until: Date.now() + expires_in * 1000 - MARGIN };
    keep(HINT, true);
    const known = this.person.get();
    if (known?.id !== person.id || known.name !== person.name) this.person.set(person);
    return token;
  }
}
