/** Several clients of one origin, as tabs are, over one connection. */

import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type Client, connect, type Traffic } from "../src/index.js";
import { Server, until } from "./serving.js";

const server = new Server();
let clients: Client[] = [];

beforeAll(() => server.start());
afterAll(() => server.dispose());
afterEach(() => {
  for (const each of clients) each.close();
  clients = [];
});

function tab(traffic: Traffic[] = []): Client {
  const made = connect(server.url, { share: true, onTraffic: (each) => traffic.push(each) });
  clients.push(made);
  return made;
}

test("the second tab opens no connection, and is told all the same", async () => {
  const first = tab();
  const seen: unknown[][] = [[], []];
  await first.subscribe("prices/+", (message) => seen[0]?.push(message.data)).ready;
  const traffic: Traffic[] = [];
  const other = tab(traffic);
  await other.subscribe("prices/tea", (message) => seen[1]?.push(message.data)).ready;
  for (const n of [1, 2, 3]) await server.publish("prices/tea", n);
  await until(() => seen.every((each) => each.length === 3));
  expect(seen).toEqual([
    [1, 2, 3],
    [1, 2, 3],
  ]);
  const operation = await other.submit("count", { upto: 5 });
  const parts: unknown[] = [];
  for await (const part of operation.parts()) parts.push(part);
  expect(parts).toEqual([0, 1, 2, 3, 4]);
  expect(await operation.result()).toBe(5);
  expect(traffic.filter(({ transport }) => transport !== "http")).toEqual([]);
  // It tells by what the first one is told.
  first.use(["sse"]);
  await until(() => other.connection.transport === "sse");
  await server.publish("prices/tea", 4);
  await until(() => seen.every((each) => each.length === 4));
  await expect(other.subscribe("nowhere/at/all").ready).rejects.toMatchObject({
    code: "unknown-topic",
  });
});

test("the tab that carries goes: another does, and nothing is missed or comes twice", async () => {
  const first = tab();
  await first.subscribe("prices/+", () => {}).ready;
  const others = [tab(), tab()];
  const seen = others.map(() => [] as unknown[]);
  const subscriptions = others.map((each, index) =>
    each.subscribe("prices/milk", (message) => seen[index]?.push(message.data)),
  );
  await Promise.all(subscriptions.map((each) => each.ready));
  const operation = await others[0]?.submit("count", { upto: 60, every: 0.02 });
  for (let n = 0; n < 60; n++) {
    await server.publish("prices/milk", n);
    if (n === 30) first.close();
  }
  await until(() => seen.every((each) => each.length >= 60));
  const numbers = Array.from({ length: 60 }, (_, n) => n);
  expect(seen).toEqual([numbers, numbers]);
  expect(await operation?.result()).toBe(60);
  expect(operation?.snapshot.parts.map(({ data }) => data)).toEqual(numbers);
});
