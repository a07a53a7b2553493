/** How an operation goes. */

import { useMemo, useSyncExternalStore } from "react";
import type { Client, Operation, OperationStatus, Problem, Progress } from "../types.js";
import { acquire, release } from "./followed.js";
import { useClientIfAny } from "./provider.js";

/** What finds an operation again: to be kept over a reload. */
export interface OperationRef {
  id: string;
  token?: string | undefined;
}

/** What {@link useOperation} gives. The same object while nothing changes. */
export interface OperationView<R = unknown, P = unknown> {
  /** Null: there is none, or it is known by its id only and not followed yet. */
  readonly operation: Operation<R, P> | null;
  /** Null until it is known. */
  readonly status: OperationStatus | null;
  readonly progress: Progress | null;
  /** The partial results of the attempt that runs or ran last, in order. */
  readonly parts: readonly P[];
  /** Set when it has succeeded; where it is large, as soon as it has been fetched. */
  readonly result: R | undefined;
  /** Why it failed or was last queued again, or why it cannot be followed. */
  readonly error: Problem | null;
  /** It has ended, whatever came of it, or cannot be followed any more. */
  readonly done: boolean;
  /** Ask it to stop, as `Operation.cancel`; does nothing where there is no operation. */
  readonly cancel: () => Promise<void>;
}

const NONE: OperationView<never, never> = Object.freeze({
  operation: null,
  status: null,
  progress: null,
  parts: Object.freeze([]) as readonly never[],
  result: undefined,
  error: null,
  done: false,
  cancel: () => Promise.resolve(),
});

const nothing = (): (() => void) => () => {};
const none = (): typeof NONE => NONE;

function isOperation(target: object): target is Operation {
  return "onChange" in target;
}

/** Follows one operation while somebody listens, and keeps what it last showed. */
class Watcher<R, P> {
  readonly #open: () => { operation: Operation<R, P>; end: () => void };
  readonly #owned: boolean;
  #operation: Operation<R, P> | null;
  #view: OperationView<R, P> = NONE;
  /** What the view was made of. */
  #seen: readonly unknown[] = [];
  /** A result that does not stand in the snapshot, or why there is none. */
  #fetched: { result?: R; error?: Problem } | null = null;
  #fetching: Operation<R, P> | null = null;
  /** What the view's parts are of. */
  #attempt = 0;

  /** `now`: an operation that is there before anybody listens. */
  constructor(
    open: () => { operation: Operation<R, P>; end: () => void },
    now: Operation<R, P> | null,
  ) {
    this.#open = open;
    this.#owned = now === null;
    this.#operation = now;
  }

  readonly listen = (listener: () => void): (() => void) => {
    const { operation, end } = this.#open();
    this.#operation = operation;
    const changed = (): void => {
      this.#fetch(operation, listener);
      listener();
    };
    const stop = operation.onChange(changed);
    changed();
    return () => {
      stop();
      end();
      // It will be closed; what it last showed stays until it is followed again.
      if (this.#owned) this.#operation = null;
    };
  };

  readonly get = (): OperationView<R, P> => {
    const operation = this.#operation;
    if (operation === null) return this.#view;
    const { snapshot, failure, done } = operation;
    const seen = [operation, snapshot, failure, done, this.#fetched];
    if (seen.every((each, index) => each === this.#seen[index])) return this.#view;
    this.#seen = seen;
    // Not read yet: what an earlier look at the same operation showed is better than nothing.
    const known = operation.task !== "";
    const { status, progress } = known ? operation : this.#view;
    this.#view = Object.freeze({
      operation,
      status,
      progress,
      parts: known ? this.#parts(operation) : this.#view.parts,
      result: "result" in snapshot ? snapshot.result : this.#fetched?.result,
      error: failure?.problem ?? this.#fetched?.error ?? operation.error,
      done,
      cancel: () => operation.cancel(),
    });
    return this.#view;
  };

  /** Parts are only ever added, until another attempt begins. */
  #parts(operation: Operation<R, P>): readonly P[] {
    const { parts } = operation.snapshot;
    const attempt = parts[0]?.attempt ?? 0;
    const same = attempt === this.#attempt && parts.length === this.#view.parts.length;
    this.#attempt = attempt;
    return same ? this.#view.parts : parts.map((part) => part.data);
  }

  /** Results over a size are not in what the server tells of an operation. */
  #fetch(operation: Operation<R, P>, listener: () => void): void {
    const { status, snapshot } = operation;
    if (status !== "succeeded" || "result" in snapshot || this.#fetching === operation) return;
    this.#fetching = operation;
    operation.result().then(
      (result) => this.#keep({ result }, listener),
      (error) => this.#keep({ error: error.problem }, listener),
    );
  }

  #keep(fetched: { result?: R; error?: Problem }, listener: () => void): void {
    this.#fetched = fetched;
    listener();
  }
}

/** An operation that somebody else made and ends. */
function ofOperation<R, P>(operation: Operation<R, P>): Watcher<R, P> {
  return new Watcher(() => ({ operation, end: () => {} }), operation);
}

/** One that is known by its id: followed as long as a component does. */
function ofRef<R, P>(client: Client | null, id: string, token: string | undefined): Watcher<R, P> {
  if (client === null) {
    throw new Error(
      "useOperation needs a client to follow an operation by its id. " +
        "Cure: put <RingbackProvider client={connect()}> around the component",
    );
  }
  return new Watcher<R, P>(() => {
    const operation = acquire(client, id, token) as Operation<R, P>;
    return { operation, end: () => release(client, operation) };
  }, null);
}

/**
 * Follow an operation: one that `useSubmit` or the client gave, or by `{id, token}` one of before
 * a reload. Unmounting ends the following; the work goes on. `{id, token}` may be a new object in
 * each render; components that follow the same one share it.
 */
export function useOperation<R = unknown, P = unknown>(
  target: Operation<R, P> | OperationRef | null | undefined,
): OperationView<R, P> {
  const client = useClientIfAny();
  const operation = target && isOperation(target) ? (target as Operation<R, P>) : null;
  // An operation's own id does not count: it may be empty until it is known.
  const id = operation ? undefined : target?.id;
  const token = operation ? undefined : target?.token;
  const watcher = useMemo(() => {
    if (operation) return ofOperation(operation);
    return id ? ofRef<R, P>(client, id, token) : null;
  }, [operation, client, id, token]);
  return useSyncExternalStore<OperationView<R, P>>(
    watcher?.listen ?? nothing,
    watcher?.get ?? none,
    watcher?.get ?? none,
  );
}
