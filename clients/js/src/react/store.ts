/**
 * State outside of React, in the form of `useSyncExternalStore`: every component sees the same in
 * one render, and a change while rendering makes React begin again.
 */

/** One immutable value, and who is told when it is replaced. */
export class Store<S> {
  #state: S;
  readonly #listeners = new Set<() => void>();

  constructor(initial: S) {
    this.#state = initial;
  }

  readonly get = (): S => this.#state;

  readonly listen = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  };

  set(state: S): void {
    this.#state = state;
    for (const listener of [...this.#listeners]) listener();
  }
}
