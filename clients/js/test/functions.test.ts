/** Servers that are functions: they give whole answers, and have files put into a bucket. */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import {
  type Client,
  type Connection,
  connect,
  type Options,
  type Traffic,
  type TransportName,
} from "../src/index.js";
import { Server, until } from "./serving.js";

const server = new Server();
let clients: Client[] = [];

beforeAll(() => server.start());
afterAll(() => server.dispose());
afterEach(() => {
  for (const each of clients) each.close();
  clients = [];
});

function client(options: Options): Client {
  const made = connect(server.url, options);
  clients.push(made);
  return made;
}

const wait = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

describe("streams that are none", () => {
  let asked: number[] = [];
  beforeEach(() => {
    asked = [];
  });

  /** As a function does, ten times as fast: what there is, once something is, or was waited for. */
  const whole: typeof fetch = async (input, init) => {
    const headers = new Headers(init?.headers);
    if (headers.get("Accept") !== "text/event-stream") return fetch(input, init);
    const seconds = Number(/wait=(\d+)/.exec(headers.get("Prefer") ?? "")?.[1]);
    asked.push(seconds);
    const answer = await fetch(input, init);
    const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
    const given = wait(seconds * 100).then(() => ({ value: undefined }));
    let text = "";
    while (reader && !/^data:/m.test(text)) {
      const { value } = await Promise.race([reader.read(), given]);
      if (value === undefined) break;
      text += value;
    }
    reader?.cancel().catch(() => {}); // it may have been given up meanwhile
    const length = { "Content-Length": String(text.length) };
    const told = { "Content-Type": answer.headers.get("Content-Type") ?? "", ...length };
    return new Response(text, { status: answer.status, headers: told });
  };

  test("carry all the same where nothing else may, without a word of it", async () => {
    const c = client({ fetch: whole, transports: ["sse"] });
    const states: Connection[] = [];
    const seen: unknown[] = [];
    await c.subscribe("prices/+", ({ data }) => seen.push(data)).ready;
    await until(() => c.connection.status === "connected");
    c.onConnection((state) => states.push(state));
    for (const price of [1, 2, 3]) {
      await server.publish("prices/tea", price);
      await until(() => seen.length === price);
    }
    // Nor does what is followed besides wait for an answer that does not come.
    expect(await (await c.submit("count", { upto: 2, every: 0 })).result()).toBe(2);
    expect(seen).toEqual([1, 2, 3]);
    expect(states).toEqual([]);
    expect(asked[0]).toBeLessThan(5);
    expect(Math.max(...asked)).toBe(25);
  });

  test("are not asked for again and again", async () => {
    const c = client({ fetch: whole, transports: ["sse"] });
    let [seen, price] = [0, 0];
    await c.subscribe("prices/+", () => seen++).ready;
    await until(() => c.connection.status === "connected");
    const [before, began] = [asked.length, performance.now()];
    while (performance.now() - began < 2_000) {
      await server.publish("prices/tea", price++);
      await wait(20);
    }
    await until(() => seen === price);
    const seconds = (performance.now() - began) / 1000;
    expect(asked.length - before).toBeLessThanOrEqual(seconds + 2);
  });

  test("are asked for again where an answer comes that nobody waits for any more", async () => {
    let held: AbortSignal | null | undefined;
    const late: typeof fetch = async (input, init) => {
      const waits = new Headers(init?.headers).get("Prefer") === "wait=25";
      if (held || !waits || !String(input).includes("milk")) return whole(input, init);
      const { signal } = init ?? {};
      held = signal;
      await new Promise((resolve) => signal?.addEventListener("abort", resolve));
      const told = { "Content-Type": "text/event-stream", "Content-Length": "3" };
      return new Response(":\n\n", { headers: told });
    };
    const c = client({ fetch: late, transports: ["sse"] });
    const seen: unknown[] = [];
    await c.subscribe("prices/tea", ({ data }) => seen.push(data)).ready;
    const other = c.subscribe("prices/milk");
    await until(() => held);
    other.close();
    await until(() => held?.aborted);
    await server.publish("prices/tea", 1);
    await until(() => seen.length);
    expect(seen).toEqual([1]);
  });

  test("are left to long polling where that may be used", async () => {
    const c = client({ fetch: whole, transports: ["sse", "long-polling"] });
    const by = new Set<TransportName | null>();
    c.onConnection(({ status, transport }) => status === "connected" && by.add(transport));
    const seen: unknown[] = [];
    await c.subscribe("prices/+", ({ data }) => seen.push(data)).ready;
    await until(() => by.size);
    await server.publish("prices/tea", 1);
    await until(() => seen.length);
    expect([...by]).toEqual(["long-polling"]);
  });
});

describe("files for a bucket", () => {
  /** How the next requests to the bucket end; then they are good. */
  let ends: ("cut" | "hang" | number)[] = [];
  let puts: { url: string; token: string | undefined; body: Buffer }[] = [];
  let signed = 0;
  /** The operation's. */
  let token = "";

  const bucket = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on("data", (piece: Buffer) => pieces.push(piece));
    request.on("end", () => {
      const { url = "", headers } = request;
      puts.push({ url, token: headers.authorization, body: Buffer.concat(pieces) });
      const end = ends.shift();
      if (end === "cut") request.socket.destroy();
      if (end === "cut" || end === "hang") return;
      // A connection that is used again may be closed in that moment, which would be one cut more.
      response.writeHead(end ?? 200, { Connection: "close" }).end();
    });
  });

  /** The server is told of what was put last: some time after the answer, and not by the client. */
  async function arrive(): Promise<void> {
    const last = puts.at(-1);
    if (!last) throw new Error("Nothing was put.");
    const headers = {
      ...{ Authorization: `Bearer ${token}`, "Content-Type": "application/octet-stream" },
      ...{ "Upload-Offset": "0", "Upload-Complete": "?1" },
    };
    const to = `${server.url}uploads${new URL(last.url, "http://x").pathname}`;
    const told = await fetch(to, { method: "PATCH", body: new Uint8Array(last.body), headers });
    if (!told.ok) throw new Error(await told.text());
  }

  beforeAll(() => new Promise<void>((resolve) => bucket.listen(0, "127.0.0.1", resolve)));
  afterAll(() => {
    bucket.closeAllConnections();
    bucket.close();
  });
  beforeEach(() => {
    [ends, puts, patches, signed] = [[], [], [], 0];
    vi.spyOn(Math, "random").mockReturnValue(0); // no pauses
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });

  /** The server's answers, with an address as it gives them there. */
  const signing: typeof fetch = async (input, init) => {
    const answer = await fetch(input, init);
    const [path, method] = [new URL(String(input)).pathname, init?.method ?? "GET"];
    const isDeclared = path === "/uploads" && method === "POST";
    if (!answer.ok || !(isDeclared || (path.startsWith("/uploads/") && method === "GET")))
      return answer;
    const data = (await answer.json()) as { id: string; token: string; upload: object };
    const id = isDeclared ? data.id : path.split("/")[2];
    const { port } = bucket.address() as AddressInfo;
    const signed_url = `http://127.0.0.1:${port}/${id}?signature=${++signed}`;
    if (isDeclared) {
      token = data.token;
      Object.assign(data.upload, { signed_url });
    } else Object.assign(data, { signed_url });
    return Response.json(data, { status: answer.status });
  };

  let patches: string[] = [];
  const counting: typeof fetch = (input, init) => {
    if (init?.method === "PATCH") patches.push(String(input));
    return signing(input, init);
  };
  const file = (size: number): Blob => new Blob([new Uint8Array(size).fill(7)]);

  test("go there, and the work begins by itself", async () => {
    const traffic: Traffic[] = [];
    const onTraffic = (each: Traffic): unknown => traffic.push(each);
    const c = client({ fetch: counting, onTraffic });
    const upload = c.upload<number>(file(3_000_000), { name: "files/a" });
    await upload.uploaded;
    expect(upload.sent).toBe(3_000_000);
    await arrive();
    expect(await upload.result()).toBe(3_000_000);
    expect(patches).toEqual([]);
    expect(puts.map(({ token, body }) => [token, body.length])).toEqual([[undefined, 3_000_000]]);
    const told = traffic.filter(({ summary }) => summary.startsWith("PUT"));
    expect(told.map(({ direction, bytes, status }) => [direction, bytes, status])).toEqual([
      ["out", 3_000_000, undefined],
      ["in", 0, 200],
    ]);
    expect(JSON.stringify(told)).not.toContain("signature");
  });

  test("begin anew after a cut, and with another address after a refusal", async () => {
    ends = ["cut", 403];
    const upload = client({ fetch: counting }).upload<number>(file(1_000), { name: "files/b" });
    await upload.uploaded;
    await arrive();
    expect(await upload.result()).toBe(1_000);
    expect(puts.map(({ url }) => url.split("=")[1])).toEqual(["1", "2", "3"]);
    expect(patches).toEqual([]);
  });

  test("go in pieces where the bucket is out of reach", async () => {
    ends = ["cut", "cut", "cut"];
    const upload = client({ fetch: counting }).upload<number>(file(1_000), { name: "files/c" });
    expect(await upload.result()).toBe(1_000);
    expect(puts).toHaveLength(3);
    expect(patches).toHaveLength(1);
  });

  test("that are cancelled on their way end", async () => {
    ends = ["hang"];
    const upload = client({ fetch: counting }).upload(file(1_000), { name: "files/d" });
    await until(() => puts.length);
    await upload.cancel();
    await expect(upload.uploaded).rejects.toMatchObject({ code: "upload-ended" });
    await expect(upload.result()).rejects.toMatchObject({ code: "cancelled" });
  });

  test("that are there, though no answer says so, are not sent again", async () => {
    ends = ["hang"];
    const upload = client({ fetch: counting }).upload<number>(file(1_000), { name: "files/e" });
    await until(() => puts.length);
    await arrive();
    await upload.uploaded;
    expect(await upload.result()).toBe(1_000);
    expect([upload.sent, puts.length, patches.length]).toEqual([1_000, 1, 0]);
  });

  test("are given up with the client", async () => {
    ends = ["hang"];
    const c = client({ fetch: counting });
    const upload = c.upload(file(1_000), { name: "files/f" });
    await until(() => puts.length);
    c.close();
    await expect(upload.uploaded).rejects.toMatchObject({ code: "closed" });
  });
});
