/** The protocol's vectors, and where the rules of resuming are subtle. */

import { describe, expect, test } from "vitest";
import { reconnects } from "../src/backoff.js";
import { matcher } from "../src/filters.js";
import { type Entry, Positions } from "../src/resume.js";
import { type Frame, frameOf, told } from "../src/websocket.js";
import { vectors } from "./vectors.js";

type Action = { action: string; id: string; filter: string; after?: string; follow?: boolean };
type Step = {
  client?: Action;
  server?: Frame & { result?: { operation?: { id: string; position: string } } };
  close?: number;
  resume?: Record<string, string | null>;
  new?: boolean;
};

/** An entry that notes what it is given. */
function entryOf(filter: string, at: string | null = null): Entry & { seen: unknown[] } {
  const seen: unknown[] = [];
  return {
    seen,
    filter,
    at,
    token: undefined,
    known: false,
    wired: false,
    joined: false,
    fits: matcher(filter),
    take: ({ topic, data }) => seen.push([topic, data]),
    stands: (data) => seen.push(["snapshot", data]),
    gap: (gap) => seen.push(["gap", gap.topics]),
    confirmed() {},
    current() {},
    end() {},
  };
}

describe("conversations", () => {
  test.each(vectors<{ name: string; steps: Step[] }>("conversations"))("$name", ({ steps }) => {
    const positions = new Positions();
    const asked = new Map<string, Action>();
    const entries = new Map<string, Entry & { seen: unknown[] }>();
    for (const { client, server, close, resume, ...step } of steps) {
      if (client) asked.set(client.id, client);
      if (client?.action === "subscribe") {
        const known = entries.get(client.filter);
        if (known && positions.entries.has(known)) {
          expect(known.at).toBe(client.after ?? null);
        } else {
          const entry = entryOf(client.filter, client.after);
          entries.set(client.filter, entry);
          positions.entries.add(entry);
        }
        if (!client.after) (entries.get(client.filter) as Entry).asked = true;
      }
      if (server) check(server, step.new);
      if (close) positions.lost();
      for (const [filter, position] of Object.entries(resume ?? {})) {
        const entry = entries.get(filter);
        const stands = entry && positions.entries.has(entry) ? positions.of(entry) : null;
        expect(stands, filter).toBe(position);
      }
    }

    function check(frame: NonNullable<Step["server"]>, fresh = true): void {
      const action = asked.get(frame.id ?? "");
      const operation = frame.result?.operation;
      if (frame.type === "reply" && operation && action?.follow) {
        const entry = entryOf(`operations/${operation.id}`);
        entries.set(entry.filter, entry);
        positions.entries.add(entry);
        positions.reply([entry], operation.position, false);
      } else if (frame.type === "reply" && action?.action === "subscribe") {
        const entry = entries.get(action.filter) as Entry;
        positions.reply([entry], frame.result?.position ?? "", !action.after);
      } else if (frame.type === "reply" && action?.action === "unsubscribe") {
        positions.entries.delete(entries.get(action.filter) as Entry);
      } else if (frame.type === "error" && action?.filter) {
        positions.end([entries.get(action.filter) as Entry], null);
      } else if (frame.type === "end" && frame.filter) {
        positions.end(positions.wired(frame.filter), null);
      } else {
        expect(told(positions, frame)).toBe(fresh);
      }
    }
  });
});

test.each(vectors<{ code: number; reconnect: boolean }>("close-codes"))(
  "close code $code",
  ({ code, reconnect }) => {
    expect(reconnects(code)).toBe(reconnect);
  },
);

test.each(vectors<{ name: string; frame: string; is: string }>("foreign"))(
  "foreign frame: $name",
  ({ frame, is }) => {
    const found = frameOf(frame);
    expect(found === null).toBe(is === "wrong");
    if (found) expect(told(new Positions(), found)).toBe(true); // passed over
  },
);

test.each(vectors<{ name: string; message: Frame }>("messages"))(
  "message: $name",
  ({ message }) => {
    expect(frameOf(JSON.stringify(message))).toEqual(message);
  },
);

test("entries that were further than others are not given again what they had", () => {
  const positions = new Positions();
  const [behind, ahead] = [entryOf("a", "e-5"), entryOf("a", "e-7")];
  for (const entry of [behind, ahead]) {
    positions.entries.add(entry);
    entry.joined = entry.wired = true;
  }
  positions.live = "e-5";
  behind.at = null;
  for (const n of [6, 7, 8]) {
    positions.message({ topic: "a", position: `e-${n}`, at: "", data: n });
  }
  expect(behind.seen).toEqual([6, 7, 8].map((n) => ["a", n]));
  expect(ahead.seen).toEqual([["a", 8]]);
  expect(positions.of(ahead)).toBe("e-8");
});

test("one that the connection does not know of yet is given nothing", () => {
  const positions = new Positions();
  const [first, second] = [entryOf("a"), entryOf("a", "e-3")];
  positions.entries.add(first).add(second);
  positions.reply([first], "e-10", true);
  positions.message({ topic: "a", position: "e-11", at: "", data: 11 });
  positions.message({ topic: "a", position: "e-4", at: "", data: 4 }, "a");
  expect(second.seen).toEqual([]);
  expect(positions.of(second)).toBe("e-3");
});

test("a gap of all concerns those whose topics it names", () => {
  const positions = new Positions();
  const [tea, milk] = [entryOf("tea"), entryOf("milk")];
  positions.entries.add(tea).add(milk);
  positions.reply([tea, milk], "e-1", true);
  positions.gap({ topics: ["tea"], position: "e-9" });
  expect([tea.seen, milk.seen]).toEqual([[["gap", ["tea"]]], []]);
  expect(positions.of(milk)).toBe("e-9");
});
