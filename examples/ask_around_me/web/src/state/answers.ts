/** What all answers say, with one's own in it before the server says so. Pure. */

import type { Answers, HeatCell, Kind, Point } from "../types.js";

/** What somebody gives: stars or a place; null: nothing (any more). */
export type Given =
  | { readonly stars: number; readonly place: null }
  | { readonly stars: null; readonly place: Point }
  | null;

/** The distribution's index of half a star is 0, of five stars 9. */
const bucket = (stars: number): number => Math.round(stars * 2) - 1;

/** `answers` as they will stand once `before` was replaced by `after`. */
export function foreseen(answers: Answers, kind: Kind, before: Given, after: Given): Answers {
  const count = answers.count + (after === null ? 0 : 1) - (before === null ? 0 : 1);
  if (kind === "place" || answers.distribution === null) return { ...answers, count };
  const distribution = [...answers.distribution];
  if (before?.stars != null) shift(distribution, bucket(before.stars), -1);
  if (after?.stars != null) shift(distribution, bucket(after.stars), 1);
  return { count, distribution, average: averageOf(distribution) };
}

function shift(distribution: number[], index: number, by: number): void {
  distribution[index] = Math.max(0, (distribution[index] ?? 0) + by);
}

/** Stars with two decimals; null: no answers. */
export function averageOf(distribution: readonly number[]): number | null {
  let sum = 0;
  let count = 0;
  distribution.forEach((n, index) => {
    sum += (n * (index + 1)) / 2;
    count += n;
  });
  return count === 0 ? null : Math.round((sum / count) * 100) / 100;
}

export interface Bar {
  readonly stars: number;
  readonly count: number;
  /** Of the longest bar, 0 to 1. */
  readonly length: number;
  /** Of all answers, 0 to 1. */
  readonly share: number;
}

/** The bars of a distribution, from half a star up. */
export function bars(distribution: readonly number[]): readonly Bar[] {
  const most = Math.max(1, ...distribution);
  const all = Math.max(
    1,
    distribution.reduce((sum, n) => sum + n, 0),
  );
  return distribution.map((count, index) => ({
    stars: (index + 1) / 2,
    count,
    length: count / most,
    share: count / all,
  }));
}

/** The places named most, with their share of all that were named. */
export function topPlaces(
  heat: readonly HeatCell[],
  limit: number,
): readonly { cell: HeatCell; share: number }[] {
  const all = Math.max(
    1,
    heat.reduce((sum, { count }) => sum + count, 0),
  );
  return [...heat]
    .sort((a, b) => b.count - a.count || (a.cell < b.cell ? -1 : 1))
    .slice(0, limit)
    .map((cell) => ({ cell, share: cell.count / all }));
}
