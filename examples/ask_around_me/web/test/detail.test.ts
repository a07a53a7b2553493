import { expect, test } from "vitest";
import { type DetailAction, detail, UNKNOWN } from "../src/state/detail.js";
import { answer, cell, question } from "./things.js";

const after = (...actions: readonly DetailAction[]) => actions.reduce(detail, UNKNOWN);

const told = (version: number, cells = 0): DetailAction => ({
  type: "told",
  detail: {
    question: question("a", { version }),
    heat: Array.from({ length: cells }, (_, index) => cell(`c${index}`, 1)),
  },
});

const read = (version: number, stars: number | null): DetailAction => ({
  type: "read",
  looked: {
    question: question("a", { version }),
    heat: [],
    topics: ["answers/a"],
    position: "e-1",
    mine: stars === null ? null : answer("a", stars),
  },
});

test("the newer one stands, whichever comes first", () => {
  expect(after(told(3, 2), told(2, 1)).heat).toHaveLength(2);
  expect(after(told(2, 1), told(3, 2)).heat).toHaveLength(2);
});

test("a read that is older than a message still knows one's own answer", () => {
  const state = after(told(7, 1), read(5, 4));
  expect(state.question?.version).toBe(7);
  expect(state.heat).toHaveLength(1);
  expect(state.mine?.stars).toBe(4);
});

test("a result brings the question, and leaves the heat map to the message of the same version", () => {
  const state = after(told(1), {
    type: "answered",
    answered: { question: question("a", { version: 2 }), answer: answer("a", 5) },
  });
  expect(state.question?.version).toBe(2);
  expect(detail(state, told(2, 3)).heat).toHaveLength(3);
});

test("a result that is older than what is known changes only the answer", () => {
  const state = after(told(9, 1), {
    type: "answered",
    answered: { question: question("a", { version: 2 }), answer: null },
  });
  expect(state.question?.version).toBe(9);
  expect(state.mine).toBeNull();
});

test("a read of before one's own answer does not undo it", () => {
  const answered: DetailAction = {
    type: "answered",
    answered: { question: question("a", { version: 2 }), answer: answer("a", 5) },
  };
  expect(after(answered, read(1, null)).mine?.stars).toBe(5);
  expect(after(read(1, 3), answered, read(1, 3)).mine?.stars).toBe(5);
  expect(after(answered, read(2, 4)).mine?.stars).toBe(4);
});

test("who signs out leaves no answer to whoever is next", () => {
  expect(after(read(1, 3), { type: "left" }).mine).toBeNull();
  expect(after(told(4), read(4, 3), { type: "left" }, read(3, 2)).mine?.stars).toBe(2);
});
