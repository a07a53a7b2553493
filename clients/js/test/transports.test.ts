/** The same on each transport, against a real server. */

import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  onTestFinished,
  test,
} from "vitest";
import {
  type Client,
  connect,
  type Gap,
  type Message,
  type Options,
  type TransportName,
} from "../src/index.js";
import { hurry } from "./chaos/clock.js";
import { Server, until } from "./serving.js";

const TRANSPORTS: TransportName[] = ["websocket", "sse", "long-polling", "polling"];

describe.each(TRANSPORTS)("%s", (name) => {
  const server = new Server();
  let clients: Client[] = [];
  // Polls that do not wait are seconds apart.
  beforeEach(() => (name === "polling" ? hurry(10, server.url) : undefined));

  beforeAll(() => server.start());
  afterAll(() => server.dispose());
  afterEach(() => {
    for (const each of clients) each.close();
    clients = [];
  });

  function client(options: Options = {}): Client {
    const made = connect(server.url, { transports: [name], ...options });
    clients.push(made);
    return made;
  }

  async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
    const found: T[] = [];
    for await (const each of items) found.push(each);
    return found;
  }

  test("work is accepted, tells of itself, and ends", async () => {
    const operation = await client().submit("count", { upto: 5 });
    expect(operation.id).toMatch(/^[0-9a-f-]{36}$/);
    expect(operation.token).toMatch(/^rbo_/);
    const parts = all(operation.parts());
    const events = all(operation.events());
    expect(await operation.result()).toBe(5);
    expect(await parts).toEqual([0, 1, 2, 3, 4]);
    const told = (await events).flatMap((e) => (e.kind === "part" ? [e.part.data] : []));
    expect(told).toEqual([0, 1, 2, 3, 4]);
    expect(operation.status).toBe("succeeded");
    expect(operation.progress).toEqual({ fraction: 1, message: "5 of 5" });
    expect(operation.done).toBe(true);
    expect(operation.snapshot.parts.map((part) => part.index)).toEqual([0, 1, 2, 3, 4]);
    expect(Object.isFrozen(operation.snapshot)).toBe(true);
  });

  test("a result that is too large to come by itself is fetched", async () => {
    const operation = await client().submit("echo", { text: "abcdefgh", times: 10_000 });
    expect(await operation.result()).toHaveLength(80_000);
  });

  test("no result is null", async () => {
    expect(await (await client().submit("nothing", {})).result()).toBe(null);
  });

  test("failing says why", async () => {
    const operation = await client().submit("fail", { why: "the sea is rough" });
    await expect(operation.result()).rejects.toMatchObject({ message: /the sea is rough/ });
    expect(operation.status).toBe("failed");
    expect(operation.error?.detail).toContain("the sea is rough");
  });

  test("an input that does not fit is refused at once", async () => {
    await expect(client().submit("count", { upto: "many" })).rejects.toMatchObject({
      code: "invalid-input",
      status: 422,
    });
  });

  test("what runs is cancelled", async () => {
    const operation = await client().submit("count", { upto: 10_000 });
    await until(() => operation.status === "running");
    await operation.cancel();
    await expect(operation.result()).rejects.toMatchObject({ code: "cancelled" });
    expect(operation.status).toBe("cancelled");
  });

  test("it is followed again by another page, from the first part on", async () => {
    const first = await client().submit("count", { upto: 40, every: 0.02 });
    await until(() => first.snapshot.parts.length > 3);
    first.close();
    const { id, token } = first;
    const again = client().follow(id, token);
    const parts = all(again.parts());
    expect(await again.result()).toBe(40);
    expect(await parts).toEqual(Array.from({ length: 40 }, (_, i) => i));
    expect(again.task).toBe("count");
  });

  test("parts of one that resumes go on after those of the attempt before", async () => {
    const numbers = Array.from({ length: 5 }, (_, i) => i);
    const operation = await client().submit("resumed", { upto: 5, cut: 3 });
    const parts = all(operation.parts());
    expect(await operation.result()).toBe(5);
    expect(await parts).toEqual(numbers);
    expect(operation.snapshot.parts.map(({ attempt }) => attempt)).toEqual([1, 1, 1, 2, 2]);
    const again = client().follow(operation.id, operation.token);
    expect(await all(again.parts())).toEqual(numbers);
  });

  test("parts are read from the first on, though no snapshot has that many", async () => {
    const first = await client().submit("many", { upto: 2_300 });
    await first.result();
    const again = client().follow(first.id, first.token);
    const parts = await all(again.parts());
    expect(parts).toEqual(Array.from({ length: 2_300 }, (_, i) => i));
    expect(again.snapshot.part_count).toBe(2_300);
  });

  test("one that nobody knows fails", async () => {
    const none = client().follow("0198a5c2-7a6b-7c3e-9d1f-2b4c6d8e0f12");
    await expect(none.result()).rejects.toMatchObject({ code: "unknown-operation" });
    expect(none.failure?.status).toBe(404);
  });

  test("a topic is followed from now on, and from a position on", async () => {
    const c = client();
    await server.publish("prices/tea", 0);
    const seen: unknown[] = [];
    const live = c.subscribe("prices/+", (message) => seen.push(message.data));
    await live.ready;
    const first = await server.publish("prices/tea", 1);
    await server.publish("prices/milk", 2);
    await until(() => seen.length === 2);
    const again: Message[] = [];
    const current = new Promise((resolve) => {
      c.subscribe("prices/+", (message) => again.push(message), {
        after: first,
        onCurrent: resolve,
      });
    });
    await current;
    expect(again.map((m) => [m.topic, m.data])).toEqual([["prices/milk", 2]]);
    await server.publish("prices/tea", 3);
    await until(() => seen.length === 3 && again.length === 2);
    expect(seen).toEqual([1, 2, 3]);
    expect(live.position).toBe(again.at(-1)?.position);
    live.close();
    await server.publish("prices/tea", 4);
    await until(() => again.length === 3);
    expect(seen).toEqual([1, 2, 3]);
  });

  test("all that is kept comes, in order, as an iterator too", async () => {
    const c = client();
    for (let i = 0; i < 30; i++) await server.publish("prices/salt", i);
    const found: unknown[] = [];
    for await (const message of c.subscribe<number>("prices/salt", undefined, {
      after: "earliest",
    })) {
      found.push(message.data);
      if (message.data === 29) break;
    }
    expect(found).toEqual(Array.from({ length: 30 }, (_, i) => i));
  });

  test("last values come first, to the second who follows the same too", async () => {
    const c = client();
    await server.publish("gauges/oil", 1);
    await server.publish("gauges/oil", 2);
    const seen: [unknown[], unknown[]] = [[], []];
    await c.subscribe("gauges/+", (message) => seen[0].push(message.data)).ready;
    await until(() => seen[0].length === 1);
    await c.subscribe("gauges/+", (message) => seen[1].push(message.data)).ready;
    await until(() => seen[1].length === 1);
    await server.publish("gauges/oil", 3);
    await until(() => seen[0].length === 2 && seen[1].length === 2);
    expect(seen).toEqual([
      [2, 3],
      [2, 3],
    ]);
  });

  test("a gap is told", async () => {
    const c = client();
    const gaps: Gap[] = [];
    const seen: unknown[] = [];
    const subscription = c.subscribe("prices/gap", (message) => seen.push(message.data), {
      after: "0123456789-5", // of a store that is no more
      onGap: (gap) => gaps.push(gap),
    });
    await until(() => gaps.length);
    const before = seen.length;
    await server.publish("prices/gap", "after");
    await until(() => seen.length > before);
    expect(gaps).toHaveLength(1);
    expect(gaps[0]?.position).toMatch(/-\d+$/);
    expect(seen.at(-1)).toBe("after");
    expect(subscription.position).toMatch(/-\d+$/);
  });

  test("many filters at once, and one that is refused beside them", async () => {
    const c = client();
    const seen = new Map<string, unknown[]>();
    const names = Array.from({ length: 30 }, (_, i) => `prices/item-${i}`);
    const all = names.map((topic) => {
      seen.set(topic, []);
      return c.subscribe(topic, (message) => seen.get(topic)?.push(message.data));
    });
    const errors: string[] = [];
    c.subscribe("nowhere/at/all", undefined, { onError: (error) => errors.push(error.code) });
    await Promise.all(all.map((each) => each.ready));
    await until(() => errors.length);
    expect(errors).toEqual(["unknown-topic"]);
    for (const topic of names) await server.publish(topic, topic);
    await until(() => [...seen.values()].every((found) => found.length));
    expect([...seen]).toEqual(names.map((topic) => [topic, [topic]]));
  });

  test("the server is killed and comes back: nothing is missed, nothing comes twice", async () => {
    const c = client();
    const statuses: string[] = [];
    c.onConnection((connection) => statuses.push(connection.status));
    const seen: unknown[] = [];
    const live = c.subscribe("prices/+", (message) => seen.push(message.data));
    await live.ready;
    await server.publish("prices/tea", "before");
    const operation = await c.submit("again", { upto: 30 });
    const parts = all(operation.parts());
    await until(() => operation.snapshot.parts.length > 2 && seen.length === 1);
    await server.kill();
    await until(() => c.connection.status !== "connected");
    await server.start();
    await server.publish("prices/tea", "after");
    await until(() => seen.length === 2);
    expect(seen).toEqual(["before", "after"]);
    expect(await operation.result()).toBe(30);
    // The worker died: a new attempt told its parts from the first on, each once.
    const told = await parts;
    expect(told.slice(-30)).toEqual(Array.from({ length: 30 }, (_, i) => i));
    expect(operation.snapshot.parts).toHaveLength(30);
    expect(statuses).toContain("waiting");
    await until(() => c.connection.status === "connected");
  });

  test("it rests when nothing is followed", async () => {
    if (name !== "polling") onTestFinished(hurry(20, server.url));
    const c = client();
    expect(c.connection.status).toBe("idle");
    const subscription = c.subscribe("prices/tea", () => {});
    await until(() => c.connection.status === "connected");
    expect(c.connection.transport).toBe(name);
    subscription.close();
    await until(() => c.connection.status === "idle");
  });
});
