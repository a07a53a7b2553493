/** Having work done: one submission at a time, never done twice. */

import { useMemo, useSyncExternalStore } from "react";
import type { RingbackError } from "../errors.js";
import { freshKey } from "../key.js";
import type { Client, Operation, SubmitOptions } from "../types.js";
import { useClient } from "./provider.js";
import { Store } from "./store.js";

/** Milliseconds after an acknowledgement in which the same input is a double click's second. */
const DOUBLE_CLICK = 500;

/** What a call of `submit` may say. */
export type SubmissionOptions = Omit<SubmitOptions, "signal">;

/** What {@link useSubmit} gives. Its functions stay the same over renders. */
export interface Submission<I = unknown, R = unknown, P = unknown> {
  /**
   * Submit. Resolves with the operation at the acknowledgement, and with null where that failed
   * (see `error`); never rejects. While one is pending, and for the same input until half a second
   * after its acknowledgement, a further call gets what the first one gets: a double click asks
   * once, unless the work has failed by then. After an error the same input keeps its idempotency
   * key, so the work is not done twice if the first request did arrive.
   */
  submit(input: I, options?: SubmissionOptions): Promise<Operation<R, P> | null>;
  /**
   * The same input again: with the same idempotency key if it was not accepted, and as another
   * submission if its work has failed or was cancelled. Else what is under way; null if nothing.
   */
  retry(): Promise<Operation<R, P> | null>;
  /**
   * Give up waiting for the acknowledgement: nothing is pending then, and there is no error. What
   * the server has accepted by then goes on; the same input again keeps its key, as after an error.
   */
  abort(): void;
  /** Forget operation and error, for another submission. A pending one goes on unseen. */
  reset(): void;
  /** The last one that was acknowledged, for `useOperation`. */
  readonly operation: Operation<R, P> | null;
  /** It is on its way to the server. */
  readonly pending: boolean;
  /** Why the last submission was not accepted. That the work failed is the operation's `error`. */
  readonly error: RingbackError | null;
}

interface State<R, P> {
  readonly operation: Operation<R, P> | null;
  readonly pending: boolean;
  readonly error: RingbackError | null;
}

/** What is asked for once, however often it is sent. */
interface Wanted<I> {
  readonly input: I;
  readonly options: SubmissionOptions;
  /** Tells the same submission from another. */
  readonly fingerprint: string;
  readonly key: string;
}

/** One sending of it. */
interface Sending<I, R, P> extends Wanted<I> {
  readonly controller: AbortController;
  readonly outcome: Promise<Operation<R, P> | null>;
  acknowledged: { readonly at: number; readonly operation: Operation<R, P> } | null;
  refused: boolean;
}

/** Whether the work came to nothing. */
function isLost({ status }: Operation): boolean {
  return status === "failed" || status === "cancelled";
}

const NOTHING = Object.freeze({ operation: null, pending: false, error: null });

class Submitter<I, R, P> {
  readonly state = new Store<State<R, P>>(NOTHING);
  readonly #client: Client;
  readonly #task: string;
  #last: Sending<I, R, P> | null = null;

  constructor(client: Client, task: string) {
    this.#client = client;
    this.#task = task;
  }

  readonly submit = (
    input: I,
    options: SubmissionOptions = {},
  ): Promise<Operation<R, P> | null> => {
    const last = this.#last;
    const fingerprint = JSON.stringify([input, options]);
    if (last && !last.refused && !last.acknowledged) return last.outcome;
    if (last?.fingerprint === fingerprint) {
      if (last.refused) return this.#send(last);
      const { acknowledged } = last;
      const clicked = acknowledged && Date.now() - acknowledged.at < DOUBLE_CLICK;
      if (clicked && !isLost(acknowledged.operation)) return last.outcome;
    }
    const key = options.idempotencyKey ?? freshKey();
    return this.#send({ input, options, fingerprint, key });
  };

  readonly retry = (): Promise<Operation<R, P> | null> => {
    const last = this.#last;
    if (!last) return Promise.resolve(null);
    if (last.refused) return this.#send(last);
    if (!last.acknowledged || !isLost(last.acknowledged.operation)) return last.outcome;
    return this.#send({ ...last, key: freshKey() });
  };

  readonly abort = (): void => this.#last?.controller.abort();

  readonly reset = (): void => {
    this.#last = null;
    this.state.set(NOTHING);
  };

  #send({ input, options, fingerprint, key }: Wanted<I>): Promise<Operation<R, P> | null> {
    const controller = new AbortController();
    const { signal } = controller;
    // Where another began meanwhile, or it was reset, the outcome is for its caller alone.
    const settle = (state: State<R, P>): void => {
      if (this.#last === sending) this.state.set(state);
    };
    const outcome = this.#client
      .submit(this.#task, input, { ...options, idempotencyKey: key, signal })
      .then(
        (accepted) => {
          const operation = accepted as Operation<R, P>;
          sending.acknowledged = { at: Date.now(), operation };
          settle({ operation, pending: false, error: null });
          return operation;
        },
        (error: RingbackError) => {
          sending.refused = true;
          // Who gave up knows why.
          settle({ operation: null, pending: false, error: signal.aborted ? null : error });
          return null;
        },
      );
    const wanted = { input, options, fingerprint, key };
    const sending: Sending<I, R, P> = {
      ...wanted,
      controller,
      outcome,
      acknowledged: null,
      refused: false,
    };
    this.#last = sending;
    this.state.set({ operation: null, pending: true, error: null });
    return outcome;
  }
}

/**
 * Submit a task from a component. Unmounting stops nothing: the work goes on, and `useOperation`
 * or `client.follow` finds it again by its id and token. For several at a time, use the client.
 */
export function useSubmit<I = unknown, R = unknown, P = unknown>(
  task: string,
): Submission<I, R, P> {
  const client = useClient();
  const submitter = useMemo(() => new Submitter<I, R, P>(client, task), [client, task]);
  const { listen, get } = submitter.state;
  const state = useSyncExternalStore(listen, get, () => NOTHING);
  return useMemo(() => {
    const { submit, retry, abort, reset } = submitter;
    return { submit, retry, abort, reset, ...state };
  }, [submitter, state]);
}
