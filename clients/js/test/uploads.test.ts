/** Files on their way to a real server, with cuts. */

import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type Client, connect, type Options } from "../src/index.js";
import { Server, until } from "./serving.js";

const server = new Server();
let clients: Client[] = [];

beforeAll(() => server.start());
afterAll(() => server.dispose());
afterEach(() => {
  for (const each of clients) each.close();
  clients = [];
});

function client(options: Options = {}): Client {
  const made = connect(server.url, options);
  clients.push(made);
  return made;
}

const file = (size: number): Blob => new Blob([new Uint8Array(size).fill(7)]);

test("a file is sent in pieces, and worked on", async () => {
  const upload = client().upload<number>(file(3_500_000), { name: "files/a" });
  const seen: number[] = [];
  upload.onChange(() => seen.push(upload.sent));
  await upload.uploaded;
  expect(upload.sent).toBe(3_500_000);
  expect(upload.size).toBe(3_500_000);
  expect(seen.some((sent) => sent > 0 && sent < upload.size)).toBe(true);
  expect(seen).toEqual([...seen].sort((a, b) => a - b));
  expect(await upload.result()).toBe(3_500_000);
  expect(upload.progress?.fraction).toBe(1);
});

test("an empty file is one, too", async () => {
  expect(await client().upload<number>(file(0), { name: "files/none" }).result()).toBe(0);
});

test("cuts are gone on from", async () => {
  let cuts = 0;
  const cutting: typeof fetch = async (input, init) => {
    const answer = await fetch(input, init);
    // The answer is lost: the bytes are there, and nobody here knows.
    if (init?.method === "PATCH" && cuts < 2) {
      cuts++;
      throw new TypeError("cut");
    }
    return answer;
  };
  const upload = client({ fetch: cutting }).upload<number>(file(5_000_000), { name: "files/b" });
  expect(await upload.result()).toBe(5_000_000);
  expect(cuts).toBe(2);
});

test.each([408, 409])("a refusal whose words are lost is gone on from: %i", async (status) => {
  let lost = 0;
  const losing: typeof fetch = async (input, init) => {
    const answer = await fetch(input, init);
    if (init?.method !== "PATCH" || lost++) return answer;
    return new Response(null, { status });
  };
  const upload = client({ fetch: losing }).upload<number>(file(2_500_000), { name: "files/e" });
  expect(await upload.result()).toBe(2_500_000);
  expect(lost).toBeGreaterThan(1);
});

test("another page goes on where the first was stopped", async () => {
  const stop = new AbortController();
  const first = client().upload(file(4_000_000), { name: "files/c", signal: stop.signal });
  await until(() => first.sent > 0);
  stop.abort();
  await expect(first.uploaded).rejects.toThrow();
  const { id, token = "" } = first;
  expect(id).not.toBe("");
  const offsets: number[] = [];
  const counting: typeof fetch = (input, init) => {
    if (init?.method === "PATCH") {
      offsets.push(Number(new Headers(init.headers).get("Upload-Offset")));
    }
    return fetch(input, init);
  };
  const again = client({ fetch: counting }).upload<number>(file(4_000_000), {
    resume: { id, token },
  });
  expect(await again.result()).toBe(4_000_000);
  expect(offsets[0]).toBeGreaterThan(0);
});

test("a name that nobody takes is refused", async () => {
  const upload = client().upload(file(3), { name: "elsewhere/a" });
  await expect(upload.uploaded).rejects.toMatchObject({ code: "not-found" });
  await expect(upload.result()).rejects.toMatchObject({ code: "not-found" });
  expect(upload.failure?.code).toBe("not-found");
});

test("one that is cancelled ends", async () => {
  const slow: typeof fetch = async (input, init) => {
    if (init?.method === "PATCH") await until(() => asked, 60_000);
    return fetch(input, init);
  };
  let asked = false;
  const upload = client({ fetch: slow }).upload(file(2_000_000), { name: "files/d" });
  await until(() => upload.id);
  await upload.cancel();
  asked = true;
  await expect(upload.uploaded).rejects.toMatchObject({ code: "upload-ended" });
  await expect(upload.result()).rejects.toMatchObject({ code: "cancelled" });
});
