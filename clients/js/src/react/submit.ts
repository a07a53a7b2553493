/** Having work done: one submission at a time, never done twice. */

import { useMemo, useSyncExternalStore } from "react";
import type { RingbackError } from "../errors.js";
import type { Client, Operation, SubmitOptions } from "../types.js";
import { idempotencyKey } from "./keys.js";
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
   * once. After an error the same input keeps its idempotency key, so the work is not done twice
   * if the first request did arrive.
   */
  submit(input: I, options?: SubmissionOptions): Promise<Operation<R, P> | null>;
  /** Submit again what failed, with the same idempotency key. Null if there is nothing to. */
  retry(): Promise<Operation<R, P> | null>;
  /** Give up waiting for the acknowledgement; what the server has accepted by then goes on. */
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
interface Request<I, R, P> {
  readonly input: I;
  readonly options: SubmissionOptions;
  readonly fingerprint: string;
  readonly key: string;
  readonly controller: AbortController;
  readonly outcome: Promise<Operation<R, P> | null>;
  readonly phase: { acknowledgedAt: number | null; failed: boolean };
}

const NOTHING = Object.freeze({ operation: null, pending: false, error: null });

class Submitter<I, R, P> {
  readonly state = new Store<State<R, P>>(NOTHING);
  readonly #client: Client;
  readonly #task: string;
  #last: Request<I, R, P> | null = null;

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
    if (last) {
      const { acknowledgedAt, failed } = last.phase;
      if (acknowledgedAt === null && !failed) return last.outcome;
      const same = last.fingerprint === fingerprint;
      if (same && failed) return this.#send(last);
      if (same && acknowledgedAt !== null && Date.now() - acknowledgedAt < DOUBLE_CLICK) {
        return last.outcome;
      }
    }
    const key = options.idempotencyKey ?? idempotencyKey();
    return this.#send({ input, options, fingerprint, key });
  };

  readonly retry = (): Promise<Operation<R, P> | null> => {
    const last = this.#last;
    if (!last) return Promise.resolve(null);
    return last.phase.failed ? this.#send(last) : last.outcome;
  };

  readonly abort = (): void => this.#last?.controller.abort();

  readonly reset = (): void => {
    this.#last = null;
    this.state.set(NOTHING);
  };

  #send(what: Pick<Request<I, R, P>, "input" | "options" | "fingerprint" | "key">) {
    const { input, options, fingerprint, key } = what;
    const controller = new AbortController();
    const phase: Request<I, R, P>["phase"] = { acknowledgedAt: null, failed: false };
    const settle = (state: Partial<State<R, P>>): void => {
      // Another began, or it was reset: its outcome is for its caller alone.
      if (this.#last?.phase === phase) {
        this.state.set({ ...this.state.get(), pending: false, ...state });
      }
    };
    const outcome = this.#client
      .submit(this.#task, input, { ...options, idempotencyKey: key, signal: controller.signal })
      .then(
        (any) => {
          const operation = any as Operation<R, P>;
          phase.acknowledgedAt = Date.now();
          settle({ operation, error: null });
          return operation;
        },
        (error: RingbackError) => {
          phase.failed = true;
          settle({ error });
          return null;
        },
      );
    this.#last = { input, options, fingerprint, key, controller, outcome, phase };
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
