import { expect, test } from "vitest";
import { hashOf, routeOf } from "../src/state/route.js";

test("an address leads to the view that it was made of", () => {
  for (const route of [
    { view: "home" },
    { view: "ask" },
    { view: "question", id: "0b8c1f1e-8f7a-4d86-9d43-0c8f2f0c9a51" },
  ] as const) {
    expect(routeOf(hashOf(route))).toEqual(route);
  }
});

test.each(["", "#", "#/nowhere", "#/questions/", "#/questions/a/../b", "#/questions/<b>"])(
  "the address %s leads home",
  (hash) => {
    expect(routeOf(hash)).toEqual({ view: "home" });
  },
);
