/** What needs no server: positions, backing off, parsing, filters, queues. */

import { describe, expect, test, vi } from "vitest";
import { Backoff } from "../src/backoff.js";
import { isPath, literal, matcher } from "../src/filters.js";
import { beginning } from "../src/missing.js";
import { pathMatcher } from "../src/patterns.js";
import { higher } from "../src/positions.js";
import { Queue } from "../src/queue.js";
import { type ServerSentEvent, SseParser } from "../src/sse-parser.js";

test.each([
  ["e-2", "e-1", true],
  ["e-1", "e-1", false],
  ["e-9", "e-10", false],
  ["e-10", "e-9", true],
  ["f-1", "e-9", true],
  ["e-999999999999999999", "e-999999999999999998", true],
])("%s is after %s: %s", (a, b, after) => {
  expect(higher(a, b)).toBe(after);
});

test("the beginning of a log", () => {
  expect(beginning("2e1192b095-121")).toBe("2e1192b095-0");
});

test("backing off grows to its cap, from 0 on, and begins again after what held", () => {
  const random = vi.spyOn(Math, "random").mockReturnValue(0.5);
  try {
    const backoff = new Backoff();
    expect(Array.from({ length: 7 }, () => backoff.next())).toEqual([0.5, 1, 2, 4, 8, 15, 15]);
    backoff.held(29);
    expect(backoff.next()).toBe(15);
    backoff.held(30);
    expect(backoff.next()).toBe(0.5);
    random.mockReturnValue(0);
    expect(backoff.next()).toBe(0);
  } finally {
    random.mockRestore();
  }
});

describe("events", () => {
  const TEXT = [
    "retry: 2000\r\n:\r\nid: e-1\r\n\r\n",
    'id: e-2\ndata: {"a":1}\n\n',
    "event: gap\ndata: one\ndata: two\ndata\n\n",
    ":\nid: e-3\n\n",
    "data:no space\rid\r\r",
    "nothing: known\ndata: é🍏\n\n",
    "data: not ended\n",
  ].join("");
  const EVENTS: ServerSentEvent[] = [
    { event: "message", data: null, id: "e-1" },
    { event: "message", data: '{"a":1}', id: "e-2" },
    { event: "gap", data: "one\ntwo\n", id: "e-2" },
    { event: "message", data: null, id: "e-3" },
    { event: "message", data: "no space", id: "" },
    { event: "message", data: "é🍏", id: "" },
  ];

  function parsed(pieces: Uint8Array[]): [ServerSentEvent[], number[]] {
    const events: ServerSentEvent[] = [];
    const retries: number[] = [];
    const parser = new SseParser(
      (event) => events.push(event),
      (retry) => retries.push(retry),
    );
    const decoder = new TextDecoder();
    for (const piece of pieces) parser.push(decoder.decode(piece, { stream: true }));
    return [events, retries];
  }

  test("are the same wherever the bytes are cut", () => {
    const bytes = new TextEncoder().encode(TEXT);
    for (let i = 0; i <= bytes.length; i++) {
      expect(parsed([bytes.slice(0, i), bytes.slice(i)]), `cut at ${i}`).toEqual([EVENTS, [2000]]);
    }
    const single = Array.from(bytes, (byte) => Uint8Array.of(byte));
    expect(parsed(single)).toEqual([EVENTS, [2000]]);
  });
});

test.each([
  ["prices/tea", ["prices/tea"], ["prices/te", "prices/tea/x", "xprices/tea"]],
  ["prices/+", ["prices/tea", "prices/$x"], ["prices", "prices/a/b"]],
  ["prices/#", ["prices", "prices/a", "prices/a/b"], ["price", "pricesx"]],
  ["+/x", ["a/x"], ["$a/x", "a/b/x"]],
  ["#", ["a", "a/b"], ["$presence/a"]],
  ["*", ["a", "a/b"], ["$presence/a"]],
  ["prices/{kind}", ["prices/tea"], ["prices/a/b"]],
  ["room-{id}.x/{rest}", ["room-7.x/a"], ["room-7yx/a", "room-.x/a"]],
  ["rooms/{+path}", ["rooms/a", "rooms/a/b"], ["rooms", "rooms/"]],
  ["a.b/+", ["a.b/c"], ["axb/c"]],
  ["$presence/a", ["$presence/a"], ["$presence/b"]],
  ["a-b/+", ["a-b/c"], ["a/c"]],
  ["/prices/:kind", ["prices/tea"], ["prices", "prices/a/b", "xprices/tea"]],
  ["/prices/*", ["prices/a", "prices/a/b", "prices/"], ["prices"]],
  ["/:a", ["x"], ["$x", "a/b"]],
  ["/rooms/:id(\\d+)", ["rooms/12"], ["rooms/a", "rooms/12a"]],
  ["/a/:b?", ["a", "a/b"], ["a/b/c", "ax"]],
  ["/a/:b+", ["a/b", "a/b/c"], ["a"]],
  ["/a/:b*", ["a", "a/b", "a/b/c"], ["b"]],
  ["/a{/b}?/c", ["a/c", "a/b/c"], ["a/b", "a/b/b/c"]],
  ["/a/(x|y)", ["a/x", "a/y"], ["a/z", "a/xy"]],
  ["/a\\:b", ["a:b"], ["a\\:b"]],
  ["/a.b", ["a.b"], ["axb"]],
])("%s fits %j and not %j", (filter, those, others) => {
  const fits = isPath(filter) ? pathMatcher(filter, literal) : matcher(filter);
  for (const topic of those) expect(fits(topic), topic).toBe(true);
  for (const topic of others) expect(fits(topic), topic).toBe(false);
});

describe("a queue", () => {
  test("gives what came, then waits, then ends", async () => {
    const queue = new Queue<number>(() => {});
    queue.push(1);
    queue.push(2);
    expect(await queue.next()).toEqual({ value: 1, done: false });
    expect(await queue.next()).toEqual({ value: 2, done: false });
    const [third, last] = [queue.next(), queue.next()];
    queue.push(3);
    queue.end();
    expect(await third).toEqual({ value: 3, done: false });
    expect(await last).toEqual({ value: undefined, done: true });
  });

  test("throws its error once, after the last", async () => {
    const queue = new Queue<number>(() => {});
    queue.push(1);
    queue.end(new Error("over"));
    await queue.next();
    await expect(queue.next()).rejects.toThrow("over");
    expect((await queue.next()).done).toBe(true);
  });

  test("that is left forgets what it has", async () => {
    let left = 0;
    const queue = new Queue<number>(() => left++);
    queue.push(1);
    queue.push(2);
    for await (const each of queue) if (each === 1) break;
    expect(left).toBe(1);
    expect((await queue.next()).done).toBe(true);
  });
});
