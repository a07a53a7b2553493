/** What a browser tells a page of its network and of its being seen, and what the client does then. */

import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { type Client, connect, type Options } from "../../src/index.js";
import { Server } from "../serving.js";
import { holds, hurry, wait } from "./clock.js";
import { Gateway } from "./gateway.js";
import { Chance } from "./random.js";
import { Wire } from "./wire.js";

const server = new Server({ publish_rate: 0 }, "chaos/server");
let gateway: Gateway;
let wire: Wire;
let browser: { window: EventTarget; document: EventTarget; navigator: { onLine: boolean } };
let ends: (() => unknown)[] = [];
let seen: unknown[] = [];

beforeAll(async () => {
  await server.start();
  gateway = await new Gateway(() => Number(new URL(server.url).port), new Chance(1)).start();
  wire = await new Wire(() => gateway.port).start();
});
beforeEach(() => {
  seen = [];
  const window = new EventTarget();
  const document = Object.assign(new EventTarget(), { visibilityState: "visible" });
  browser = { window, document, navigator: { onLine: true } };
  vi.stubGlobal("addEventListener", window.addEventListener.bind(window));
  vi.stubGlobal("document", document);
  vi.stubGlobal("navigator", browser.navigator);
});
afterEach(() => {
  for (const end of ends) end();
  ends = [];
  vi.unstubAllGlobals();
  gateway.calm();
  wire.cut();
});
afterAll(async () => {
  wire.dispose();
  gateway.dispose();
  await server.dispose();
});

async function followed(topic: string, options: Options = {}): Promise<Client> {
  const c = connect(wire.url, options);
  ends.push(() => c.close());
  await c.subscribe(topic, ({ data }) => seen.push(data)).ready;
  return c;
}

function network(is: boolean): void {
  browser.navigator.onLine = is;
  browser.window.dispatchEvent(new Event(is ? "online" : "offline"));
}

function visible(is: boolean): void {
  Object.assign(browser.document, { visibilityState: is ? "visible" : "hidden" });
  browser.document.dispatchEvent(new Event("visibilitychange"));
}

const state = (c: Client) => () => JSON.stringify(c.connection);

test("without a network nothing is tried; with one, at once, and nothing is lost", async () => {
  const c = await followed("chaos/page/offline");
  await server.publish("chaos/page/offline", 0);
  await holds(() => seen.length === 1, state(c));
  network(false);
  expect(c.connection).toMatchObject({ status: "offline", transport: null });
  await holds(() => wire.open === 0, state(c));
  const { opened } = wire;
  await server.publish("chaos/page/offline", 1);
  ends.push(hurry(50, server.url));
  await wait(500);
  expect(wire.opened).toBe(opened);
  network(true);
  await holds(() => seen.length === 2, state(c));
  expect(c.connection.status).toBe("connected");
});

test("what is followed while there is no network waits for it", async () => {
  browser.navigator.onLine = false;
  const c = connect(wire.url);
  ends.push(() => c.close());
  const { opened } = wire;
  const following = c.subscribe("chaos/page/later", ({ data }) => seen.push(data));
  await holds(() => c.connection.status === "offline", state(c));
  expect(wire.opened).toBe(opened);
  network(true);
  await following.ready;
  await server.publish("chaos/page/later", 1);
  await holds(() => seen.length === 1, state(c));
});

test("a network that is back ends the pause before the next try", async () => {
  gateway.upgrades = 403;
  gateway.fault = () => "busy";
  const c = connect(wire.url);
  ends.push(() => c.close());
  const following = c.subscribe("chaos/page/back", ({ data }) => seen.push(data));
  const submitting = c.submit("count", { test: "back", tag: 0, upto: 1 });
  await holds(() => c.connection.status === "waiting", state(c));
  expect(c.connection.retryAt).toBeGreaterThan(Date.now() + 30_000);
  expect(c.connection.error?.status).toBe(503);
  gateway.calm();
  network(true);
  await following.ready;
  expect(await (await submitting).result()).toEqual([0]);
});

test("a page that is seen again asks at once whether its connection is alive", async () => {
  ends.push(hurry(50, server.url));
  const c = await followed("chaos/page/seen", { transports: ["websocket"] });
  wire.freeze();
  await server.publish("chaos/page/seen", 1);
  const { opened } = wire;
  visible(false);
  await wait(200); // ten seconds: long enough for an answer to a doubt, and too short for silence
  expect(wire.opened).toBe(opened);
  const asked = Date.now();
  visible(true);
  await holds(() => seen.length === 1, state(c));
  expect(wire.opened).toBe(opened + 1);
  // Well before the silence alone would have told.
  expect(Date.now() - asked).toBeLessThan(20_000);
});

test.each(["pageshow", "visibilitychange"])(
  "a page that slept while the network came back goes on at its %s",
  async (name) => {
    const topic = `chaos/page/${name}`;
    const c = await followed(topic);
    network(false);
    await server.publish(topic, 1);
    browser.navigator.onLine = true; // and it was not told
    (name === "pageshow" ? browser.window : browser.document).dispatchEvent(new Event(name));
    await holds(() => seen.length === 1, state(c));
    expect(c.connection.status).toBe("connected");
  },
);

test("a page that comes back from where it was kept goes on at once", async () => {
  const c = await followed("chaos/page/kept");
  gateway.fault = () => "busy";
  gateway.upgrades = 403;
  wire.cut();
  await holds(
    () => c.connection.status === "waiting" && c.connection.error?.status === 503,
    state(c),
  );
  await server.publish("chaos/page/kept", 1);
  gateway.calm();
  browser.window.dispatchEvent(new Event("pageshow"));
  await holds(() => seen.length === 1, state(c));
});
