/**
 * Asking, from the click to the published question, over failures and reloads.
 *
 * What is asked stands in the browser's storage before it is sent. After a reload it is followed by
 * its operation's id and token, or, if the acknowledgement was lost, sent again with the same
 * idempotency key: the server then gives the operation that there is.
 */

import { type Client, type Operation, type Problem, RingbackError } from "ringback";
import { keep, recallAll } from "./state/kept.js";
import { type Failure, type OutboxAction, outbox, type Pending, restore } from "./state/outbox.js";
import { Store } from "./state/store.js";
import type { AskApi, Asking, Question } from "./types.js";

const NAME = "pending.";

export class Outbox {
  /** Newest first. */
  readonly entries = new Store<readonly Pending[]>([]);
  /** Told of each question that was published. */
  onAsked: (question: Question) => void = () => {};
  readonly #client: Client<AskApi>;
  readonly #operations = new Map<string, Operation<Question>>();

  constructor(client: Client<AskApi>) {
    this.#client = client;
  }

  /** Go on with what was pending when the page was left. */
  resume(): void {
    const kept = recallAll(NAME).flatMap(restore);
    this.entries.set(kept.sort((a, b) => b.since - a.since));
    for (const entry of kept) {
      if (entry.failure === null) void this.#go(entry);
    }
  }

  ask(asking: Asking): void {
    const key = crypto.randomUUID();
    this.#dispatch({ type: "put", asking, key, now: Date.now() });
    this.#goOn(asking.id);
  }

  /** Once more what has failed: the same question, so that it is never asked twice. */
  again(id: string): string {
    const freshId = crypto.randomUUID();
    const index = this.entries.get().findIndex((each) => each.asking.id === id);
    const key = crypto.randomUUID();
    this.#operations.delete(id);
    this.#dispatch({ type: "again", id, freshId, key });
    const now = this.entries.get()[index]?.asking.id ?? id;
    this.#goOn(now);
    return now;
  }

  dismiss(id: string): void {
    this.#operations.get(id)?.close();
    this.#dispatch({ type: "done", id });
  }

  /** What follows an entry, once it was accepted. */
  operation(id: string): Operation<Question> | null {
    return this.#operations.get(id) ?? null;
  }

  #goOn(id: string): void {
    const entry = this.entries.get().find((each) => each.asking.id === id);
    if (entry !== undefined) void this.#go(entry);
  }

  async #go({ asking, key, operation }: Pending): Promise<void> {
    const { id } = asking;
    try {
      const following =
        operation !== null
          ? this.#client.follow<Question>(operation.id, operation.token ?? undefined)
          : await this.#client.submit("ask", asking, { idempotencyKey: key });
      this.#operations.set(id, following);
      const token = following.token ?? null;
      this.#dispatch({ type: "accepted", id, operation: { id: following.id, token } });
      const question = await following.result();
      this.#dispatch({ type: "done", id });
      this.onAsked(question);
    } catch (error) {
      this.#dispatch({ type: "failed", id, failure: failureOf(error, Date.now()) });
    } finally {
      this.#operations.delete(id);
    }
  }

  #dispatch(action: OutboxAction): void {
    const before = this.entries.get();
    const after = outbox(before, action);
    this.entries.set(after);
    // Each under a name of its own: other tabs have theirs.
    for (const entry of before) {
      if (!after.includes(entry)) keep(NAME + entry.asking.id, undefined);
    }
    for (const entry of after) {
      if (!before.includes(entry)) keep(NAME + entry.asking.id, entry);
    }
  }
}

/** What to say of an error. */
export function failureOf(error: unknown, now: number): Failure {
  if (!(error instanceof RingbackError)) {
    return { reason: null, detail: "Something went wrong on this page.", retryAt: null };
  }
  const { problem, retryAfter } = error;
  const wait = retryAfter ?? secondsOf(problem);
  return {
    reason: reasonOf(problem),
    detail: detailOf(error),
    retryAt: wait === undefined ? null : now + wait * 1000,
  };
}

/** Why the server would not do it, as its table has it. */
export function reasonOf(problem: Problem): string | null {
  return typeof problem["reason"] === "string" ? problem["reason"] : null;
}

function secondsOf(problem: Problem): number | undefined {
  const wait = problem["retry_after"];
  return typeof wait === "number" ? wait : undefined;
}

function detailOf({ code, status, problem }: RingbackError): string {
  if (status === 401) return "You are not signed in any more.";
  if (code === "network") return "The server cannot be reached.";
  return problem.detail ?? problem.title;
}
