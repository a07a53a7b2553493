/** Partial results that no snapshot has: loaded for operations with very many of them. */

import type { Http, RequestOptions } from "./http.js";
import type { OperationState } from "./types.js";

/** The beginning of the log that a position is of. */
export function beginning(position: string): string {
  return position.replace(/[^-]*$/, "0");
}

/**
 * Read an operation from the beginning of its log on, page after page, until there are no more;
 * `take` says whether any are missing still.
 */
export async function missing<R, P>(
  http: Http,
  path: string,
  options: RequestOptions,
  position: string,
  take: (state: OperationState<R, P>) => boolean,
): Promise<void> {
  for (let after: string | undefined = beginning(position); after; ) {
    const query = new URLSearchParams({ after });
    const { data } = await http.persist<OperationState<R, P>>(`${path}?${query}`, options);
    if (!take(data) || !data.parts?.length) return;
    after = data.position;
  }
}
