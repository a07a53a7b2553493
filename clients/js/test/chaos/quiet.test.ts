/** Connections that are open and say nothing: whoever waits for them notices, and begins anew. */

import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Client, connect, type Options, type TransportName } from "../../src/index.js";
import { Server } from "../serving.js";
import { holds, hurry, wait } from "./clock.js";
import { type Fault, Gateway, type Upgrades } from "./gateway.js";
import { Chance } from "./random.js";
import { Wire } from "./wire.js";

const HASTE = 50;
const server = new Server({ publish_rate: 0 }, "chaos/server");
let gateway: Gateway;
let wire: Wire;
let ends: (() => unknown)[] = [];

beforeAll(async () => {
  await server.start();
  gateway = await new Gateway(() => Number(new URL(server.url).port), new Chance(1)).start();
  wire = await new Wire(() => gateway.port).start();
});
afterEach(() => {
  for (const end of ends) end();
  ends = [];
  gateway.calm();
  wire.calm();
  wire.cut();
});
afterAll(async () => {
  wire.dispose();
  gateway.dispose();
  await server.dispose();
});

function client(options: Options = {}): Client {
  const made = connect(wire.url, options);
  ends.push(() => made.close());
  return made;
}

const state = (c: Client) => () => JSON.stringify(c.connection);

describe.each<TransportName>(["websocket", "sse", "long-polling", "polling"])("%s", (name) => {
  test("a connection that became half-open is given up, and nothing is lost", async () => {
    ends.push(hurry(HASTE, server.url));
    const c = client({ transports: [name] });
    const seen: unknown[] = [];
    const topic = `chaos/half/${name}`;
    const following = c.subscribe(topic, ({ data }) => seen.push(data));
    await following.ready;
    await server.publish(topic, 0);
    await holds(() => seen.length === 1, state(c));
    wire.freeze();
    const { opened } = wire;
    await server.publish(topic, 1);
    await holds(() => seen.length === 2, state(c));
    expect(wire.opened).toBeGreaterThan(opened);
    await server.publish(topic, 2);
    await holds(() => seen.length === 3, state(c));
    expect(seen).toEqual([0, 1, 2]);
  });
});

test.each<Fault>(["stall", "truncate", "shorten", "lose", "refuse", "stray"])(
  "an answer that goes wrong is asked for again: %s",
  async (fault) => {
    ends.push(hurry(HASTE, server.url));
    const c = client();
    let left = 3;
    let asked = 0;
    gateway.fault = ({ method }) => {
      if (method !== "POST") return "pass";
      asked++;
      return left-- > 0 ? fault : "pass";
    };
    const made = await c.submit("count", { test: fault, tag: 0, upto: 2 });
    expect(await made.result()).toEqual([0, 1]);
    expect(asked).toBe(fault === "stray" ? 1 : 4);
    const answer = await fetch(`${server.url}topics/runs/${fault}?after=earliest`);
    expect(((await answer.json()) as { messages: unknown[] }).messages).toHaveLength(1);
  },
);

test.each<Upgrades>([400, 403, "hang", "silent"])(
  "where WebSockets are %s, streams carry; where they are not any more, it goes up",
  async (upgrades) => {
    gateway.upgrades = upgrades;
    ends.push(hurry(HASTE, server.url));
    const c = client();
    const seen: unknown[] = [];
    const topic = `chaos/up/${upgrades}`;
    const following = c.subscribe(topic, ({ data }) => seen.push(data));
    await following.ready;
    await holds(() => c.connection.transport === "sse", state(c));
    await server.publish(topic, 0);
    await holds(() => seen.length === 1, state(c));
    gateway.upgrades = "pass";
    await holds(() => c.connection.transport === "websocket", state(c));
    await server.publish(topic, 1);
    await holds(() => seen.length === 2, state(c));
    expect(seen).toEqual([0, 1]);
  },
);

test("a proxy that keeps streams to itself is passed by with polls that wait", async () => {
  gateway.upgrades = 403;
  gateway.buffers = true;
  ends.push(hurry(HASTE, server.url));
  const c = client();
  const seen: unknown[] = [];
  const following = c.subscribe("chaos/keeps/a", ({ data }) => seen.push(data));
  await following.ready;
  await holds(() => c.connection.transport === "long-polling", state(c));
  await server.publish("chaos/keeps/a", 0);
  await holds(() => seen.length === 1, state(c));
});

test("a proxy that refuses streams is passed by, too", async () => {
  gateway.upgrades = 400;
  gateway.refusesStreams = true;
  ends.push(hurry(HASTE, server.url));
  const c = client();
  const seen: unknown[] = [];
  await c.subscribe("chaos/refuses/a", ({ data }) => seen.push(data)).ready;
  await holds(() => c.connection.transport === "long-polling", state(c));
  await server.publish("chaos/refuses/a", 0);
  await holds(() => seen.length === 1, state(c));
});

test("connections that are closed when they are idle are opened again", async () => {
  wire.fate = () => ({ idle: 100 });
  ends.push(hurry(HASTE, server.url));
  const c = client({ transports: ["websocket"] });
  const seen: unknown[] = [];
  await c.subscribe("chaos/idle/a", ({ data }) => seen.push(data)).ready;
  for (const number of [0, 1, 2, 3]) {
    await wait(200);
    await server.publish("chaos/idle/a", number);
  }
  await holds(() => seen.length === 4, state(c));
  expect(seen).toEqual([0, 1, 2, 3]);
  expect(wire.broken).toBeGreaterThan(2);
});

test("a client that is closed asks no more", async () => {
  gateway.fault = () => "refuse";
  gateway.upgrades = 403;
  ends.push(hurry(HASTE, server.url));
  const c = client();
  const submitting = c.submit("count", { test: "closed", tag: 0, upto: 1 });
  const following = c.subscribe("chaos/closed/a", () => {});
  await holds(() => c.connection.status === "waiting", state(c));
  c.close();
  await expect(submitting).rejects.toMatchObject({ code: "closed" });
  await expect(following.ready).rejects.toMatchObject({ code: "closed" });
  await expect(c.publish("chaos/closed/a", 1)).rejects.toMatchObject({ code: "closed" });
});
