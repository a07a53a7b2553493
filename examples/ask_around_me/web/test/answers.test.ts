import { expect, test } from "vitest";
import { averageOf, bars, foreseen, topPlaces } from "../src/state/answers.js";
import { cell } from "./things.js";

const NONE = { count: 0, average: null, distribution: Array<number>(10).fill(0) };
const stars = (value: number) => ({ stars: value, place: null });
const place = { stars: null, place: { lat: 1, lng: 2 } };

test("a first answer is the average", () => {
  const answers = foreseen(NONE, "stars", null, stars(3.5));
  expect(answers).toMatchObject({ count: 1, average: 3.5 });
  expect(answers.distribution?.[6]).toBe(1);
});

test("a changed answer counts once", () => {
  const first = foreseen(NONE, "stars", null, stars(0.5));
  const second = foreseen(first, "stars", stars(0.5), stars(5));
  expect(second).toEqual({ count: 1, average: 5, distribution: [0, 0, 0, 0, 0, 0, 0, 0, 0, 1] });
});

test("to answer and to withdraw leaves what was", () => {
  const some = { count: 2, average: 4.25, distribution: [0, 0, 0, 0, 0, 0, 0, 1, 1, 0] };
  const given = foreseen(some, "stars", null, stars(1));
  expect(foreseen(given, "stars", stars(1), null)).toEqual(some);
});

test("no answers have no average", () => {
  expect(foreseen(foreseen(NONE, "stars", null, stars(2)), "stars", stars(2), null)).toEqual(NONE);
});

test("places are counted, and have neither average nor distribution", () => {
  const none = { count: 4, average: null, distribution: null };
  expect(foreseen(none, "place", null, place).count).toBe(5);
  expect(foreseen(none, "place", place, null)).toEqual({ ...none, count: 3 });
});

test("an average has two decimals, as the server's", () => {
  expect(averageOf([0, 0, 0, 0, 0, 0, 0, 2, 1, 0])).toBe(4.17);
});

test("the longest bar is as long as can be; shares are of all", () => {
  const all = bars([0, 1, 0, 0, 0, 0, 0, 0, 0, 3]);
  expect(all.map((bar) => bar.stars)).toEqual([0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5]);
  expect(all.at(-1)).toMatchObject({ length: 1, share: 0.75 });
  expect(all[1]).toMatchObject({ length: 1 / 3, share: 0.25 });
});

test("bars of no answers have no length", () => {
  expect(bars(NONE.distribution).every((bar) => bar.length === 0 && bar.share === 0)).toBe(true);
});

test("the places that are named most come first, with their share of all", () => {
  const top = topPlaces([cell("b", 1), cell("c", 6), cell("a", 1)], 2);
  expect(top.map((each) => [each.cell.cell, each.share])).toEqual([
    ["c", 0.75],
    ["a", 0.125],
  ]);
});
