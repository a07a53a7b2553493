import { expect, test } from "vitest";
import { type Board, type BoardAction, board, EMPTY, nearest } from "../src/state/board.js";
import { answer, around, question } from "./things.js";

const HERE = { lat: 47.3769, lng: 8.5417 };
const NEAR = { lat: 47.38, lng: 8.5417 };
const FAR = { lat: 47.5, lng: 8.5417 };

function after(...actions: readonly BoardAction[]): Board {
  return actions.reduce(board, EMPTY);
}

const read = (parts: Parameters<typeof around>[0] = {}, centre = HERE): BoardAction => ({
  type: "read",
  around: around(parts),
  centre,
  radius: 8000,
});

const told = (...questions: ReturnType<typeof question>[]): BoardAction => ({
  type: "told",
  questions,
});

const ids = (state: Board): string[] => nearest(state).map((each) => each.question.id);

test("nothing is near before anything was read", () => {
  expect(ids(after(told(question("a"))))).toEqual([]);
});

test("the nearest come first, the newer first of two at one place", () => {
  const state = after(
    read({
      questions: [
        question("old", { created: "2026-01-01T00:00:00Z" }),
        question("away", { at: NEAR }),
        question("new", { created: "2026-01-02T00:00:00Z" }),
      ],
    }),
  );
  expect(ids(state)).toEqual(["new", "old", "away"]);
});

test("what is told is the same, whatever comes first and however often", () => {
  const versions = [1, 2, 3].map((version) => question("a", { version, text: `v${version}` }));
  for (const order of [
    [0, 1, 2],
    [2, 1, 0],
    [1, 2, 0, 2, 1],
  ]) {
    const state = after(read(), ...order.map((index) => told(versions[index] ?? question("a"))));
    expect(state.questions.get("a")?.text).toBe("v3");
  }
});

test("a read that is older than a message does not undo it", () => {
  const state = after(
    read(),
    told(question("a", { version: 5 })),
    read({ questions: [question("a", { version: 4 })] }),
  );
  expect(state.questions.get("a")?.version).toBe(5);
});

test("a duplicate changes nothing", () => {
  const before = after(read(), told(question("a", { version: 2 })));
  expect(board(before, told(question("a", { version: 2 })))).toBe(before);
});

test("a question that is told of within the circle is fresh, until it was seen", () => {
  const state = after(read({ questions: [question("known")] }), told(question("new")));
  expect([...state.fresh]).toEqual(["new"]);
  expect(board(state, { type: "seen", ids: ["new"] }).fresh.size).toBe(0);
});

test("a new version of a known one is not fresh", () => {
  const state = after(
    read({ questions: [question("known")] }),
    told(question("known", { version: 2 })),
  );
  expect(state.fresh.size).toBe(0);
});

test("a cell is larger than its part of the circle: what lies beyond is neither shown nor new", () => {
  const state = after(read(), told(question("far", { at: FAR })));
  expect(ids(state)).toEqual([]);
  expect(state.fresh.size).toBe(0);
});

test("what lies beyond is shown at once when the circle comes there", () => {
  const state = after(read(), told(question("far", { at: FAR })), read({}, FAR));
  expect(ids(state)).toEqual(["far"]);
});

test("what is far away from what was read last is forgotten", () => {
  const state = after(read({ questions: [question("a")] }), read({}, { lat: 40, lng: 8 }));
  expect(state.questions.size).toBe(0);
});

test("one's own answers come with a read, and go where it has none", () => {
  const questions = [question("a"), question("b")];
  const first = after(read({ questions, mine: { a: answer("a", 4), b: answer("b", 2) } }));
  const second = board(first, read({ questions, mine: { a: answer("a", 4.5) } }));
  expect(second.mine.get("a")?.stars).toBe(4.5);
  expect(second.mine.has("b")).toBe(false);
});

test("an answer that was withdrawn is one's own no longer", () => {
  const state = after(
    read({ questions: [question("a")] }),
    { type: "answered", question: "a", answer: answer("a", 3) },
    { type: "answered", question: "a", answer: null },
  );
  expect(state.mine.size).toBe(0);
});

test("who signs out leaves no answers to whoever is next", () => {
  const questions = [question("a")];
  const state = after(read({ questions, mine: { a: answer("a", 4) } }), { type: "left" });
  expect(state.mine.size).toBe(0);
  expect(ids(state)).toEqual(["a"]);
});
