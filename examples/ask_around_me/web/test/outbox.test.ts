import { expect, test } from "vitest";
import { type OutboxAction, outbox, type Pending, restore } from "../src/state/outbox.js";

const asking = { id: "q1", text: "Why?", kind: "stars", at: { lat: 1, lng: 2 } } as const;
const put: OutboxAction = { type: "put", asking, key: "k1", now: 5 };
const failed = (reason: string | null): OutboxAction => ({
  type: "failed",
  id: "q1",
  failure: { reason, detail: "No.", retryAt: null },
});
const again: OutboxAction = { type: "again", id: "q1", freshId: "q2", key: "k2" };

const after = (...actions: readonly OutboxAction[]): readonly Pending[] =>
  actions.reduce<readonly Pending[]>(outbox, []);

test("what is asked stands there before anybody accepted it", () => {
  expect(after(put)).toEqual([{ asking, key: "k1", since: 5, operation: null, failure: null }]);
});

test("the newest stands first", () => {
  const other: OutboxAction = { ...put, asking: { ...asking, id: "q0" } };
  expect(after(other, put).map((each) => each.asking.id)).toEqual(["q1", "q0"]);
});

test("trying again asks the same question, with a fresh key", () => {
  const [entry] = after(
    put,
    { type: "accepted", id: "q1", operation: { id: "o1", token: "t" } },
    failed(null),
    again,
  );
  expect(entry).toEqual({ asking, key: "k2", since: 5, operation: null, failure: null });
});

test("an id that somebody else has is replaced", () => {
  expect(after(put, failed("id-taken"), again)[0]?.asking.id).toBe("q2");
});

test("what is done is there no longer, and nothing else goes with it", () => {
  const other: OutboxAction = { ...put, asking: { ...asking, id: "q0" } };
  expect(after(other, put, { type: "done", id: "q1" }).map((each) => each.asking.id)).toEqual([
    "q0",
  ]);
});

test("an entry is the same after it was kept", () => {
  for (const [entry] of [
    after(put),
    after(put, { type: "accepted", id: "q1", operation: { id: "o1", token: null } }),
    after(put, failed("daily-limit")),
  ]) {
    expect(restore(JSON.parse(JSON.stringify(entry)))).toEqual([entry]);
  }
});

test.each([
  null,
  7,
  "x",
  [],
  {},
  { asking: { id: "a" } },
  { asking: { ...asking, kind: "smell" }, key: "k", since: 1 },
  { asking: { ...asking, at: { lat: "1", lng: 2 } }, key: "k", since: 1 },
  { asking, since: 1 },
])("what is no entry is none: %j", (value) => {
  expect(restore(value)).toEqual([]);
});
