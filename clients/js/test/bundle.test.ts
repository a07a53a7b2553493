/** What a server serves as /ringback.js: minified, in pieces, with short names within. */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { INTERNAL, served } from "../scripts/bundles.mjs";
import type { connect as Connect, Traffic, TransportName } from "../src/index.js";
import { Server, until } from "./serving.js";

const server = new Server();
const folder = mkdtempSync(join(tmpdir(), "rb-bundle-"));
let connect: typeof Connect;

beforeAll(async () => {
  await Promise.all([server.start(), build(served(folder))]);
  ({ connect } = await import(pathToFileURL(join(folder, "ringback.js")).href));
});
afterAll(async () => {
  await server.dispose();
  rmSync(folder, { recursive: true });
});

test("names that are short within are none that a page, a server or another tab knows", () => {
  const known = (path: string, from = "", to = "\n}"): string => {
    const text = readFileSync(join(import.meta.dirname, path), "utf8");
    const begin = text.indexOf(from);
    return text.slice(begin, text.indexOf(to, begin));
  };
  const told = [
    readFileSync(join(import.meta.dirname, "../src/types.ts"), "utf8"),
    known("../src/websocket.ts", "interface Frame"),
    known("../src/resume.ts", "interface Incoming"),
    known("../src/pages.ts", "interface Page"),
    known("../src/tabs.ts", "interface Wants", "/** What carries"),
    known("../src/errors.ts", "class RingbackError", "constructor"),
  ].join("\n");
  const members = new Set(
    [...told.matchAll(/^\s*(?:declare )?(?:readonly )?(\w+)\??[:(<]/gm)].map((m) => m[1]),
  );
  expect(members).toContain("reconnect_after");
  expect(members).toContain("retryAfter");
  expect(INTERNAL.filter((name) => members.has(name))).toEqual([]);
});

describe.each<TransportName>(["websocket", "sse", "long-polling", "polling"])("%s", (name) => {
  test("work, topics and files", async () => {
    const traffic: Traffic[] = [];
    const c = connect(server.url, { transports: [name], onTraffic: (each) => traffic.push(each) });
    const seen: unknown[] = [];
    const filters = ["prices/+", "prices/tea", "/prices/:item", "prices/{item}"];
    const all = filters.map((filter) => c.subscribe(filter, ({ data }) => seen.push(data)));
    await Promise.all(all.map(({ ready }) => ready));
    await c.publish("prices/tea", name);
    await until(() => seen.length === filters.length);
    const made = await c.submit("count", { upto: 3 });
    const parts: unknown[] = [];
    for await (const part of c.follow(made.id, made.token).parts()) parts.push(part);
    expect(parts).toEqual([0, 1, 2]);
    expect(await made.result()).toBe(3);
    expect(await c.upload(new Blob(["abc"]), { name: "files/a" }).result()).toBe(3);
    await expect(c.subscribe("nowhere/at/all").ready).rejects.toMatchObject({
      code: "unknown-topic",
    });
    expect(traffic.map(({ transport }) => transport)).toContain(name);
    c.close();
  });
});

test("tabs share a connection", async () => {
  const [first, second] = [
    connect(server.url, { share: true }),
    connect(server.url, { share: true }),
  ];
  const seen: unknown[] = [];
  await first.subscribe("prices/milk").ready;
  await second.subscribe("prices/milk", ({ data }) => seen.push(data)).ready;
  await first.publish("prices/milk", 1);
  await until(() => seen.length === 1);
  for (const each of [first, second]) each.close();
});
