/** For transports that have one position for everything: where to go on, for all at once. */

import type { Kit } from "./kit.js";
import type { Entry, Positions } from "./resume.js";

/**
 * Have these go on from the lowest of their positions: what an entry had beyond that is not given
 * to it again. Returns where.
 */
export function together(
  { higher }: Kit,
  positions: Positions,
  entries: readonly Entry[],
): string | null {
  let lowest: string | null = null;
  for (const { at } of entries) if (at && (lowest === null || !higher(at, lowest))) lowest = at;
  for (const entry of entries) {
    entry.joined = entry.wired = true;
    if (entry.at === lowest) entry.at = null;
  }
  positions.live = lowest;
  return lowest;
}
