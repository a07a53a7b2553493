/** Down to a lesser transport and up again, another token, another network: nothing is lost. */

import { createHmac } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type Client, connect, type Options, type TransportName } from "../src/index.js";
import { hurry } from "./chaos/clock.js";
import { Server, until } from "./serving.js";

const SECRET = "0123456789abcdef0123456789abcdef";
const open = new Server({ publish_rate: 10_000 });
/** Its polls wait briefly: that a token has expired, they are told after. */
const guarded = new Server({
  jwt_secret: SECRET,
  jwt_leeway: 0,
  max_wait: 0.5,
  publish_rate: 10_000,
});
let clients: Client[] = [];

beforeAll(() => Promise.all([open.start(), guarded.start()]));
afterAll(() => Promise.all([open.dispose(), guarded.dispose()]));
afterEach(() => {
  for (const each of clients) each.close();
  clients = [];
});

function client(server: Server, options: Options = {}): Client {
  const made = connect(server.url, options);
  clients.push(made);
  return made;
}

/** A JWT that is good for so many seconds. */
function jwt(subject: string, seconds: number): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const now = Date.now() / 1000;
  const topics = { publish: ["#"], subscribe: ["#"] };
  const claims = { sub: subject, iat: Math.floor(now) - 5, exp: now + seconds, topics };
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
  return `${signed}.${createHmac("sha256", SECRET).update(signed).digest("base64url")}`;
}

/** A WebSocket that a proxy lets nobody open, while `broken` says so. */
function breakable(broken: () => boolean): typeof WebSocket {
  return class extends WebSocket {
    constructor(url: string | URL, protocols?: string | string[]) {
      super(broken() ? String(url).replace(/ws$/, "nowhere") : url, protocols);
    }
  };
}

test("it falls back where no WebSocket opens, and goes up again when one does", async () => {
  let broken = true;
  const c = client(open, { WebSocket: breakable(() => broken) });
  const seen: unknown[] = [];
  await c.subscribe("prices/up", (message) => seen.push(message.data)).ready;
  await until(() => c.connection.status === "connected");
  expect(c.connection.transport).toBe("sse");
  let n = 0;
  await open.publish("prices/up", n++);
  broken = false;
  const publishing = (async () => {
    while (c.connection.transport !== "websocket") await open.publish("prices/up", n++);
    await open.publish("prices/up", n++);
  })();
  await until(() => c.connection.transport === "websocket");
  await publishing;
  await until(() => seen.length >= n);
  expect(seen).toEqual(Array.from({ length: n }, (_, i) => i));
});

test("a stream that says nothing is broken: it goes on with polls", async () => {
  const silent: typeof fetch = async (input, init) => {
    if (new Headers(init?.headers).get("Accept") !== "text/event-stream") return fetch(input, init);
    const headers = { "Content-Type": "text/event-stream" };
    const body = new ReadableStream({
      start: (controller) => init?.signal?.addEventListener("abort", () => controller.error()),
    });
    return new Response(body, { headers });
  };
  onTestFinished(hurry(20, open.url));
  const c = client(open, { fetch: silent, transports: ["sse", "long-polling"] });
  const seen: unknown[] = [];
  c.subscribe("prices/silent", (message) => seen.push(message.data));
  await until(() => c.connection.status === "connected");
  expect(c.connection.transport).toBe("long-polling");
  await open.publish("prices/silent", 1);
  await until(() => seen.length === 1);
});

test("transports are changed while messages come", async () => {
  const c = client(open);
  const seen: unknown[] = [];
  await c.subscribe("prices/change", (message) => seen.push(message.data)).ready;
  const operation = await c.submit("count", { upto: 100, every: 0.01 });
  const parts: unknown[] = [];
  const reading = (async () => {
    for await (const part of operation.parts()) parts.push(part);
  })();
  let n = 0;
  const names: TransportName[] = ["sse", "long-polling", "polling", "websocket", "sse"];
  for (const name of names) {
    c.use([name]);
    for (let i = 0; i < 10; i++) await open.publish("prices/change", n++);
    await until(() => c.connection.status === "connected");
    for (let i = 0; i < 10; i++) await open.publish("prices/change", n++);
  }
  await until(() => seen.length >= n);
  expect(seen).toEqual(Array.from({ length: n }, (_, i) => i));
  await reading;
  expect(parts).toEqual(Array.from({ length: 100 }, (_, i) => i));
});

test("the idempotency key is kept over retries", async () => {
  const keys: (string | null)[] = [];
  let lost = 0;
  const losing: typeof fetch = async (input, init) => {
    const answer = await fetch(input, init);
    if (!String(input).includes("/tasks/")) return answer;
    keys.push(new Headers(init?.headers).get("Idempotency-Key"));
    if (lost++ < 2) throw new TypeError("The answer was lost.");
    expect(answer.headers.get("Idempotency-Replayed")).toBe("true");
    return answer;
  };
  const operation = await client(open, { fetch: losing }).submit("echo", { text: "once" });
  expect(await operation.result()).toBe("once");
  expect(keys).toHaveLength(3);
  expect(new Set(keys).size).toBe(1);
});

test("a submission is given up when its signal says so", async () => {
  const stop = new AbortController();
  const away: typeof fetch = async () => {
    stop.abort(new Error("enough"));
    throw new TypeError("No network.");
  };
  const submitting = client(open, { fetch: away }).submit(
    "echo",
    { text: "" },
    { signal: stop.signal },
  );
  await expect(submitting).rejects.toThrow("enough");
});

test("a submission that nobody answers is bounded by a signal that times out", async () => {
  let tried = 0;
  const away: typeof fetch = async () => {
    tried++;
    throw new TypeError("No network.");
  };
  const signal = AbortSignal.timeout(2_000);
  const submitting = client(open, { fetch: away }).submit("echo", { text: "" }, { signal });
  await expect(submitting).rejects.toMatchObject({ name: "TimeoutError" });
  expect(tried).toBeGreaterThan(0);
});

describe.each<TransportName>(["websocket", "sse", "long-polling"])("tokens over %s", (name) => {
  test("a fresh one is asked for when one expires, and nothing is missed", async () => {
    let asked = 0;
    const c = client(guarded, {
      transports: [name],
      getToken: () => jwt("ada", asked++ ? 600 : 1.5),
    });
    const seen: unknown[] = [];
    const errors: unknown[] = [];
    const subscription = c.subscribe("private/ada", (message) => seen.push(message.data), {
      onError: (error) => errors.push(error),
    });
    await subscription.ready;
    await c.publish("private/ada", 0);
    await until(() => asked > 1);
    await c.publish("private/ada", 1);
    await until(() => seen.length === 2);
    expect(seen).toEqual([0, 1]);
    expect(errors).toEqual([]);
  });

  test("one that is not good ends the connection, until another is set", async () => {
    const c = client(guarded, { transports: [name], token: "no.such.token" });
    const seen: unknown[] = [];
    const errors: unknown[] = [];
    c.subscribe("private/bob", (message) => seen.push(message.data), {
      onError: (error) => errors.push(error.code),
    });
    await until(() => c.connection.status === "closed" || errors.length);
    expect(errors).toEqual([]);
    expect(c.connection.error?.code).toBe("unauthenticated");
    c.setToken(jwt("bob", 600));
    await until(() => c.connection.status === "connected");
    await c.publish("private/bob", 1);
    await until(() => seen.length === 1);
  });
});
