/** What goes wrong, as one class of errors: the server's problems, and this side's own. */

import type { Problem } from "./types.js";

/** The beginning of the types of the server's problems. */
const TYPE = "urn:ringback:problem:";

/** A problem, of the server's or (with status 0) of this side: `network`, `closed`, `aborted`. */
export class RingbackError extends Error {
  override readonly name = "RingbackError";
  // Declared: as fields they would be bytes that every page loads.
  /** The problem's code: `rate-limited`, `invalid-input`, … */
  declare readonly code: string;
  /** The HTTP status; 0: no answer came. */
  declare readonly status: number;
  /** All that the server said of it. */
  declare readonly problem: Problem;
  /** Seconds after which it may be tried again. */
  declare readonly retryAfter: number | undefined;

  constructor(problem: Problem, retryAfter?: number, cause?: unknown) {
    super(problem.detail ?? problem.title, cause === undefined ? undefined : { cause });
    this.code = problem.type.replace(TYPE, "");
    this.status = problem.status;
    this.problem = problem;
    this.retryAfter = retryAfter;
  }
}

/** An error of this side: nobody answered, or nobody was asked. */
export function local(code: string, title: string, cause?: unknown): RingbackError {
  return new RingbackError({ type: TYPE + code, title, status: 0 }, undefined, cause);
}

/** It was ended on this side. */
export const closed = (): RingbackError => local("closed", "It was closed.");

/** The problem in an answer, or the answer itself as one: a proxy's, perhaps. */
export function problemOf(response: Response, text: string): RingbackError {
  const { status } = response;
  let problem: Problem = { type: `${TYPE}http-${status}`, title: `HTTP ${status}`, status };
  try {
    // What it says counts where it is a problem, and no other JSON.
    const found = JSON.parse(text) as Partial<Problem> | null;
    if (found?.type) problem = { ...problem, ...found };
  } catch {
    // No JSON: not a word of the server's.
  }
  return new RingbackError(problem, retryAfter(response.headers));
}

/**
 * Seconds, where the answer says when to come again (RFC 9110 §10.2.3). Dates are passed over, and
 * more than a timer can count to.
 */
export function retryAfter(headers: Headers): number | undefined {
  const text = headers.get("Retry-After");
  return text && /^\d{1,6}$/.test(text) ? +text : undefined;
}

/** Whatever was thrown, as one of ours. */
export function asError(error: unknown): RingbackError {
  return error instanceof RingbackError ? error : local("network", "No answer came.", error);
}
