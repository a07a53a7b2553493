/**
 * What one has asked and nobody has confirmed yet. Pure: the list, and what changes it.
 *
 * An entry is kept in the browser before anything is sent, with the question's id and the
 * idempotency key: whatever is lost on the way (an answer, the page), sending the same again asks
 * once.
 */

import type { Asking, Point } from "../types.js";
import { isRecord } from "./kept.js";

export interface Pending {
  readonly asking: Asking;
  /** Milliseconds since 1970. */
  readonly since: number;
  /** The idempotency key; a fresh one for each attempt that the server has ended. */
  readonly key: string;
  /** What follows it, once the server has accepted it. */
  readonly operation: { readonly id: string; readonly token: string | null } | null;
  /** Why it did not work; null: it is on its way. */
  readonly failure: Failure | null;
}

export interface Failure {
  /** Of the server's table; null: no fault of what was asked. */
  readonly reason: string | null;
  readonly detail: string;
  /** Milliseconds since 1970: not before; null: at any time. */
  readonly retryAt: number | null;
}

export type OutboxAction =
  | { type: "put"; asking: Asking; key: string; now: number }
  | { type: "accepted"; id: string; operation: { id: string; token: string | null } }
  | { type: "failed"; id: string; failure: Failure }
  | { type: "again"; id: string; freshId: string; key: string }
  | { type: "done"; id: string };

export function outbox(entries: readonly Pending[], action: OutboxAction): readonly Pending[] {
  if (action.type === "put") {
    const { asking, key, now } = action;
    const entry = { asking, key, since: now, operation: null, failure: null };
    return [entry, ...entries.filter((each) => each.asking.id !== asking.id)];
  }
  if (action.type === "done") return entries.filter((each) => each.asking.id !== action.id);
  return entries.map((entry) => (entry.asking.id === action.id ? changed(entry, action) : entry));
}

function changed(
  entry: Pending,
  action: Extract<OutboxAction, { type: "accepted" | "failed" | "again" }>,
): Pending {
  switch (action.type) {
    case "accepted":
      return { ...entry, operation: action.operation };
    case "failed":
      return { ...entry, failure: action.failure };
    case "again": {
      // The same id, so that it is never asked twice; but for the one that somebody else has.
      const id = entry.failure?.reason === "id-taken" ? action.freshId : entry.asking.id;
      const asking = { ...entry.asking, id };
      return { ...entry, asking, key: action.key, operation: null, failure: null };
    }
  }
}

/** What was kept: one entry, or none where it is not to be understood. */
export function restore(value: unknown): readonly Pending[] {
  return pending(value) ?? [];
}

function pending(value: unknown): readonly [Pending] | undefined {
  if (!isRecord(value) || !isRecord(value["asking"])) return undefined;
  const { id, text, kind } = value["asking"];
  const at = pointOf(value["asking"]["at"]);
  const { key, since, operation, failure } = value;
  if (typeof id !== "string" || typeof text !== "string" || at === undefined) return undefined;
  if (kind !== "stars" && kind !== "place") return undefined;
  if (typeof key !== "string" || typeof since !== "number") return undefined;
  const asking: Asking = { id, text, kind, at };
  return [{ asking, key, since, operation: operationOf(operation), failure: failureOf(failure) }];
}

function operationOf(value: unknown): Pending["operation"] {
  if (!isRecord(value) || typeof value["id"] !== "string") return null;
  return { id: value["id"], token: typeof value["token"] === "string" ? value["token"] : null };
}

function failureOf(value: unknown): Failure | null {
  if (!isRecord(value) || typeof value["detail"] !== "string") return null;
  const { reason, detail, retryAt } = value;
  return {
    reason: typeof reason === "string" ? reason : null,
    detail,
    retryAt: typeof retryAt === "number" ? retryAt : null,
  };
}

/** A point, if that is what it is. */
export function pointOf(value: unknown): Point | undefined {
  if (!isRecord(value)) return undefined;
  const { lat, lng } = value;
  return typeof lat === "number" && typeof lng === "number" ? { lat, lng } : undefined;
}
