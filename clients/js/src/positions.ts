/** Positions: texts, `epoch-number`, of which only the order is known here. */

/** Begins the filter of one operation. */
export const OPERATIONS = "operations/";

const epoch = (position: string): string => position.slice(0, position.lastIndexOf("-"));

/** Whether `a` comes after `b`. One of another epoch begins anew: it always does. */
export function higher(a: string, b: string): boolean {
  return epoch(a) !== epoch(b) || beyond(a, b);
}

/** Whether `a` comes after `b`, and both are of the same life of a store. */
export function beyond(a: string, b: string): boolean {
  // As texts, since a number may be larger than what JavaScript can count to.
  return epoch(a) === epoch(b) && (a.length === b.length ? a > b : a.length > b.length);
}
