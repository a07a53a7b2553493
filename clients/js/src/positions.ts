/** Positions: texts, `epoch-number`, of which only the order is known here. */

/** Begins the filter of one operation. */
export const OPERATIONS = "operations/";

const epoch = (position: string): string => position.slice(0, position.lastIndexOf("-"));

/** Whether two positions are of the same life of a store, and so can be compared. */
export function comparable(a: string, b: string): boolean {
  return epoch(a) === epoch(b);
}

/** Whether `a` comes after `b`. One of another epoch begins anew: it always does. */
export function higher(a: string, b: string): boolean {
  if (!comparable(a, b)) return true;
  // As texts, since a number may be larger than what JavaScript can count to.
  return a.length === b.length ? a > b : a.length > b.length;
}

/** The beginning of the log that a position is of. */
export function beginning(position: string): string {
  return `${epoch(position)}-0`;
}
