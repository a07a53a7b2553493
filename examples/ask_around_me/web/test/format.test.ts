import { expect, test } from "vitest";
import * as format from "../src/format.js";

const NOW = Date.parse("2026-06-15T12:00:00Z");
const before = (seconds: number): string => new Date(NOW - seconds * 1000).toISOString();

test.each([
  [0, "right here"],
  [40, "50 m"],
  [349, "350 m"],
  [949, "950 m"],
  [960, "1 km"],
  [1_240, "1.2 km"],
  [12_345, "12 km"],
])("%d metres are %s", (metres, text) => {
  expect(format.distance(metres)).toBe(text);
});

test.each([
  [-5, "just now"],
  [44, "just now"],
  [60, "1 min. ago"],
  [59 * 60, "59 min. ago"],
  [3_600, "1 hr. ago"],
  [25 * 3_600, "yesterday"],
  [10 * 86_400, "Jun 5, 2026"],
])("%d seconds ago is %s", (seconds, text) => {
  expect(format.ago(before(seconds), NOW)).toBe(text);
});

test("nothing is counted as no", () => {
  expect([0, 1, 2, 1200].map((n) => format.count(n, "answer"))).toEqual([
    "no answers",
    "1 answer",
    "2 answers",
    "1,200 answers",
  ]);
});

test.each([
  [0.5, "½ star"],
  [1, "1 star"],
  [1.5, "1½ stars"],
  [5, "5 stars"],
])("%d is %s", (value, text) => {
  expect(format.stars(value)).toBe(text);
});

test.each([
  [0, "0 B"],
  [999, "999 B"],
  [1_400, "1.4 kB"],
  [999_499, "999 kB"],
  [999_600, "1 MB"],
  [12_582_912, "13 MB"],
])("%d bytes are %s", (n, text) => {
  expect(format.bytes(n)).toBe(text);
});

test("a bound is never said to be more than it is", () => {
  expect(format.atMost(12_582_912)).toBe("12 MB");
});

test.each([
  [0.4, "a moment"],
  [12, "12 seconds"],
  [300, "5 minutes"],
  [7_200, "2 hours"],
])("%d seconds last %s", (seconds, text) => {
  expect(format.duration(seconds)).toBe(text);
});

test("a count-down ends at nothing", () => {
  expect(format.secondsUntil(NOW + 1_001, NOW)).toBe(2);
  expect(format.secondsUntil(NOW - 9_000, NOW)).toBe(0);
});

test("characters are counted as the server counts them", () => {
  expect(format.length("  Is  it 👍?  ")).toBe(8);
});
