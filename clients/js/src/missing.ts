/** Partial results that no snapshot has: loaded for operations with very many of them. */

import type { Http } from "./http.js";
import type { OperationState } from "./types.js";

/**
 * Read an operation from a position on, page after page; `take` says how many parts there are now
 * without a hole, and whether any are missing.
 */
export async function missing<R, P>(
  http: Http,
  path: string,
  token: string | undefined,
  from: string,
  take: (state: OperationState<R, P>) => { whole: number; more: boolean },
): Promise<void> {
  for (let after = from, whole = -1; ; ) {
    const query = new URLSearchParams({ after });
    const { data } = await http.persist<OperationState<R, P>>(`${path}?${query}`, { token });
    const taken = take(data);
    if (!taken.more || taken.whole === whole) return;
    ({ whole } = taken);
    after = data.position ?? after;
  }
}
