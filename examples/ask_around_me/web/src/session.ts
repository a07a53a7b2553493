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

/**
 * Milliseconds before its end that a token is not used any more: it has to last for a request. Of
 * one that lasts no minute, half its time.
 */
const MARGIN = 30_000;

/** Milliseconds that a read waits for a token. */
const PATIENCE = 2_000;
/** Milliseconds until it is tried again. */
const AGAIN = 3_000;

/** Resolves when there may be a network again: the browser says so, or time has passed. */
function network(ms: number): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      window.removeEventListener("online", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    window.addEventListener("online", done);
  });
}

/** Says that there may be a cookie: nobody who never signed in is asked for. */
const HINT = "signed-in";

export class SignIn {
  /** null: nobody; undefined: not known yet. */
  readonly person = new Store<Person | null | undefined>(
    recall(HINT, (value) => (value === true ? true : undefined)) === true ? undefined : null,
  );
  readonly #api: Api;
  #session: { token: string; until: number } | null = null;
  /** What the client has. */
  #given: string | undefined;
  #refreshing: Promise<string | undefined> | null = null;
  /** One more with each signing in and out: a session that was asked for before is of before. */
  #turn = 0;

  constructor(api: Api) {
    this.#api = api;
  }

  async signIn(name: string): Promise<void> {
    const session = await this.#api.signIn(name);
    this.#turn += 1;
    this.#take(session);
  }

  async signOut(): Promise<void> {
    const before = this.person.get();
    this.#turn += 1;
    this.person.set(null); // first: the server ends what uses the token, and no other is to be got
    try {
      await this.#api.signOut();
    } catch (error) {
      this.person.set(before);
      throw error;
    }
    this.#forget();
  }

  /**
   * A token for the client, never one that it had before: it asks when its token is about to end,
   * or was refused.
   */
  readonly next = async (): Promise<string | undefined> => {
    if (this.#given !== undefined && this.#given === this.#session?.token) this.distrust();
    this.#given = await this.token();
    return this.#given;
  };

  /** A token that is good for a while; undefined: nobody is signed in. */
  readonly token = async (): Promise<string | undefined> => {
    if (this.person.get() === null) return undefined;
    if (this.#session !== null && Date.now() < this.#session.until) return this.#session.token;
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  };

  /** A token, if there is one soon: for what can do without. */
  readonly soon = (): Promise<string | undefined> =>
    Promise.race([
      this.token().catch(() => undefined),
      new Promise<undefined>((resolve) => setTimeout(resolve, PATIENCE, undefined)),
    ]);

  /** The token was refused: the next one is a fresh one. */
  distrust(): void {
    if (this.#session !== null) this.#session.until = 0;
  }

  async #refresh(): Promise<string | undefined> {
    for (const turn = this.#turn; ; ) {
      try {
        const session = await this.#api.refresh();
        return turn === this.#turn ? this.#take(session) : this.#session?.token;
      } catch (error) {
        if (turn !== this.#turn) return this.#session?.token;
        if (!(error instanceof ApiError) || error.status >= 500) throw error;
        if (error.status !== 0) {
          this.#forget();
          return undefined;
        }
        // Without a network nobody knows: whatever needs a token waits with it.
        await network(AGAIN);
      }
    }
  }

  #forget(): void {
    this.#session = null;
    keep(HINT, undefined);
    this.person.set(null);
  }

  #take({ token, expires_in, person }: Session): string {
    // By this clock, whatever the server's says.
    const lasts = expires_in * 1000;
    this.#session = { token, until: Date.now() + lasts - Math.min(MARGIN, lasts / 2) };
    keep(HINT, true);
    const known = this.person.get();
    if (known?.id !== person.id || known.name !== person.name) this.person.set(person);
    return token;
  }
}
