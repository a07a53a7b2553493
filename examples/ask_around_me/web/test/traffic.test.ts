import { expect, test } from "vitest";
import { heard, KEPT, SILENCE, sift } from "../src/state/traffic.js";

const heardOf = (n: number, summary = "message a/b") =>
  Array.from({ length: n }, (_, index) => ({
    at: index,
    transport: "sse" as const,
    direction: "in" as const,
    summary,
    bytes: 10,
  }));

test("all traffic is counted, and the newest kept", () => {
  const wire = heard(heard(SILENCE, heardOf(3)), heardOf(KEPT));
  expect(wire.seen).toBe(KEPT + 3);
  expect(wire.entries).toHaveLength(KEPT);
  expect(wire.sums.sse.in).toEqual({ count: KEPT + 3, bytes: 10 * (KEPT + 3) });
  expect(wire.sums.sse.out).toEqual({ count: 0, bytes: 0 });
  expect(wire.entries.at(-1)?.number).toBe(KEPT + 3);
});

test("a sieve leaves what it names, newest first", () => {
  const { entries } = heard(heard(SILENCE, heardOf(2)), heardOf(1, "POST tasks/ask"));
  expect(sift(entries, { transport: "sse", text: "TASKS" }).map((each) => each.number)).toEqual([
    3,
  ]);
  expect(sift(entries, { transport: "all", text: "" }).map((each) => each.number)).toEqual([
    3, 2, 1,
  ]);
  expect(sift(entries, { transport: "polling", text: "" })).toEqual([]);
});
