/** Partial results that no snapshot has: loaded for operations with very many of them. */

import type { Http, RequestOptions } from "./http.js";
import type { OperationState } from "./types.js";

/** The beginning of the log that a position is of. */
export function beginning(position: string): string {
  return position.replace(/[^-]*$/, "0");
}

/**
 * Read an operation from the beginning of its log on, page after page; `take` says how many parts
 * there are now without a hole, and whether any are missing.
 */
export async function missing<R, P>(
  http: Http,
  path: string,
  options: RequestOptions,
  position: string,
  take: (state: OperationState<R, P>) => { whole: number; more: boolean },
): Promise<void> {
  for (let after = beginning(position), whole = -1; ; ) {
    const query = new URLSearchParams({ after });
    const { data } = await http.persist<OperationState<R, P>>(`${path}?${query}`, options);
    const taken = take(data);
    if (!taken.more || taken.whole === whole) return;
    ({ whole } = taken);
    after = data.position ?? after;
  }
}
