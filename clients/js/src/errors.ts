/** What goes wrong, as one class of errors: the server's problems, and this side's own. */

import type { Problem } from "./types.js";

/** The beginning of the types of the server's problems. */
const TYPE = "urn:ringback:problem:";

/** A problem, of the server's or (with status 0) of this side: `network`, `closed`, `aborted`. */
export class RingbackError extends Error {
  override readonly name = "RingbackError";
  /** The problem's code: `rate-limited`, `invalid-input`, … */
  readonly code: string;
  /** The HTTP status; 0: no answer came. */
  readonly status: number;
  /** All that the server said of it. */
  readonly problem: Problem;
  /** Seconds after which it may be tried again. */
  readonly retryAfter: number | undefined;

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
