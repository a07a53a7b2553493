/** What happens between two moments that lie close together: against a server that says when. */

import { afterEach, describe, expect, test } from "vitest";
import { type Client, connect, type Message } from "../src/index.js";
import { until } from "./serving.js";

const ID = "0198a5c2-7a6b-7c3e-9d1f-2b4c6d8e0f12";
const OPERATION = { id: ID, task: "count", attempt: 1, progress: null };
const PART = { index: 0, attempt: 1, data: "one" };

let clients: Client[] = [];
afterEach(() => {
  for (const each of clients) each.close();
  clients = [];
});

/** One stream that was asked for. */
interface Stream {
  readonly filters: readonly string[];
  readonly after: string;
  say(text: string): unknown;
  end(): void;
}

/** A client over streams, and those; all else is answered by `answer`, null: 404. */
function streaming(
  answer: (url: URL, signal?: AbortSignal | null) => unknown,
  begun: (stream: Stream) => unknown = () => {},
): { client: Client; streams: Stream[] } {
  const streams: Stream[] = [];
  const asked: typeof fetch = async (input, init) => {
    const url = new URL(String(input));
    if (new Headers(init?.headers).get("Accept") !== "text/event-stream") {
      const found = await answer(url, init?.signal);
      return found === null ? new Response("", { status: 404 }) : Response.json(found);
    }
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        let open = true;
        const stream: Stream = {
          filters: url.searchParams.getAll("filter"),
          after: url.searchParams.get("after") ?? "",
          say: (text) => open && controller.enqueue(new TextEncoder().encode(text)),
          end() {
            open = false;
            controller.close();
          },
        };
        init?.signal?.addEventListener("abort", () => {
          if (open) controller.error(init.signal?.reason);
          open = false;
        });
        stream.say("retry: 1\n\n");
        streams.push(stream);
        begun(stream);
      },
    });
    return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
  };
  const client = connect("http://localhost/", { fetch: asked, transports: ["sse"] });
  clients.push(client);
  return { client, streams };
}

const page = (position: string, messages: Message[] = []): object => {
  return { messages, position, gap: false, missed: [] };
};

const message = (topic: string, position: string): Message => {
  return { topic, position, at: "2030-01-01T00:00:00.000Z", data: position };
};

/** Its last part, and its end, at once. */
function ending({ say }: Stream): void {
  const over = { ...OPERATION, status: "succeeded", part_count: 1, result: 7, version: 3 };
  const events = [
    ["e-2", "part", PART],
    ["e-3", "status", over],
  ] as const;
  const told = events.map(([position, kind, data]) => {
    const shown = JSON.stringify({ ...message(`operations/${ID}`, position), data });
    return `event: ${kind}\nid: ,operations/${ID}:${position}\ndata: ${shown}\n\n`;
  });
  say(told.join(""));
}

test("an operation that two follow from different places ends for both", async () => {
  let asked = 0;
  const running = { ...OPERATION, status: "running", version: 1 };
  const { client, streams } = streaming(
    () =>
      asked++
        ? { ...running, part_count: 1, version: 2, parts: [PART], position: "e-2" }
        : { ...running, part_count: 0, position: "e-1" },
    ending,
  );
  const both = [client.follow(ID), client.follow(ID)];
  expect(await Promise.all(both.map((each) => each.result()))).toEqual([7, 7]);
  expect(streams.map(({ after }) => after)).toEqual([`,operations/${ID}:e-1`]);
  expect(both.map((each) => each.snapshot.parts)).toEqual([[PART], [PART]]);
});

test("parts that cannot be read end who waits for them", async () => {
  const status = { ...OPERATION, status: "succeeded", part_count: 5, version: 9, result: 7 };
  const { client } = streaming(({ search }) =>
    search ? null : { ...status, parts: [{ index: 4, attempt: 1, data: 4 }], position: "e-9" },
  );
  const operation = client.follow(ID);
  const read = async (): Promise<unknown[]> => {
    const parts: unknown[] = [];
    for await (const each of operation.parts()) parts.push(each);
    return parts;
  };
  await expect(read()).rejects.toMatchObject({ status: 404 });
  expect(await operation.result()).toBe(7);
});

test("an operation that is closed while its last parts cannot be read ends who waits for it", async () => {
  const over = { ...OPERATION, status: "succeeded", part_count: 5, version: 9, result: 7 };
  let [reads, stopped] = [0, false];
  const { client } = streaming(({ search }, signal) => {
    if (!search) return { ...over, parts: [{ index: 4, attempt: 1, data: 4 }], position: "e-9" };
    reads++;
    return new Promise((_, reject) => {
      signal?.addEventListener("abort", () => {
        stopped = true;
        reject(signal.reason);
      });
    });
  });
  const operation = client.follow(ID);
  const [events, parts] = [operation.events(), operation.parts()];
  await until(() => reads > 0);
  operation.close();
  const drain = async (): Promise<void> => {
    for await (const _ of events);
  };
  await expect(drain()).rejects.toMatchObject({ code: "closed" });
  await expect(parts.next()).rejects.toMatchObject({ code: "closed" });
  expect(await operation.result()).toBe(7);
  await until(() => stopped);
  expect(reads).toBe(1);
});

/** Parts of an attempt, from one index to before another. */
const parts = (attempt: number, from: number, to: number): object[] =>
  Array.from({ length: to - from }, (_, i) => ({ index: from + i, attempt, data: attempt }));

/** An event of the operation, as a stream has it. */
function event(kind: string, position: string, data: object): string {
  const shown = JSON.stringify({ ...message(`operations/${ID}`, position), data });
  return `event: ${kind}\nid: ,operations/${ID}:${position}\ndata: ${shown}\n\n`;
}

test("parts that are read while another attempt begins them anew are all of that", async () => {
  const first = { ...OPERATION, status: "running", part_count: 5, version: 5 };
  const second = { ...first, attempt: 2, status: "succeeded", result: 7, version: 12 };
  const asked: (string | null)[] = [];
  let go = (): void => {};
  const going = new Promise<void>((resolve) => {
    go = resolve;
  });
  const { client, streams } = streaming(async ({ searchParams }) => {
    const after = searchParams.get("after");
    asked.push(after);
    if (after === null) return { ...first, parts: parts(1, 4, 5), position: "e-5" };
    if (after === "e-0") return { ...first, parts: parts(1, 0, 2), position: "e-2" };
    await going;
    if (after === "e-2") return { ...second, parts: parts(2, 0, 2), position: "e-9" };
    return { ...second, parts: parts(2, 2, 5), position: "e-12" };
  });
  const operation = client.follow(ID);
  await until(() => asked.length === 3 && streams.length === 1);
  streams[0]?.say(event("snapshot", "e-12", { ...second, parts: parts(2, 4, 5) }));
  await until(() => operation.status === "succeeded");
  go();
  await until(() => operation.snapshot.parts.length === 5);
  expect(operation.snapshot).toMatchObject({ part_count: 5, parts: parts(2, 0, 5) });
  expect(asked).toEqual([null, "e-0", "e-2", "e-9"]);
});

test("parts of attempts that resumed are read, though no snapshot has them", async () => {
  const over = { ...OPERATION, attempt: 2, status: "succeeded", part_count: 5, version: 9 };
  const all = [...parts(1, 0, 3), ...parts(2, 3, 5)];
  const { client } = streaming(({ searchParams }) => {
    const from = searchParams.has("after") ? 0 : 4;
    return { ...over, parts: all.slice(from), position: "e-9" };
  });
  const operation = client.follow(ID);
  const read: unknown[] = [];
  for await (const part of operation.parts()) read.push(part);
  expect(read).toEqual([1, 1, 1, 2, 2]);
});

test("parts that are nowhere are asked for once", async () => {
  const over = { ...OPERATION, status: "succeeded", part_count: 3, version: 9, result: 7 };
  const asked: (string | null)[] = [];
  const { client } = streaming(({ searchParams }) => {
    const after = searchParams.get("after");
    asked.push(after);
    return { ...over, parts: after === "e-9" ? [] : parts(1, 2, 3), position: "e-9" };
  });
  const operation = client.follow(ID);
  const read: unknown[] = [];
  for await (const part of operation.parts()) read.push(part);
  expect(read).toEqual([]);
  expect(operation.snapshot).toMatchObject({ part_count: 0, parts: [] });
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(asked).toEqual([null, "e-0", "e-9"]);
});

test.each(["signal", "close"] as const)("what waits for a token ends with its %s", async (by) => {
  const client = connect("http://localhost/", { getToken: () => new Promise(() => {}) });
  const stop = new AbortController();
  const submitted = client.submit("count", {}, { signal: stop.signal });
  await null;
  if (by === "signal") stop.abort(new Error("enough"));
  else client.close();
  const reason = by === "signal" ? { message: "enough" } : { code: "closed" };
  await expect(submitted).rejects.toMatchObject(reason);
  const late = client.submit("count", {}, { signal: AbortSignal.abort(new Error("before")) });
  await expect(late).rejects.toMatchObject(by === "signal" ? { message: "before" } : {});
  client.close();
});

describe("what is added while a stream begins is followed", () => {
  test.each(Array.from({ length: 40 }, (_, i) => i))("after %s moments", async (moments) => {
    const { client } = streaming(() => page("e-1"));
    const opened = new Promise<void>((resolve) => {
      client.onConnection(({ status }) => status === "connected" && resolve());
    });
    client.subscribe("a", () => {});
    await opened;
    for (let i = 0; i < moments; i++) await null;
    await client.subscribe("b", () => {}).ready;
  });

  test.each(Array.from({ length: 20 }, (_, i) => i))(
    "%s moments after an operation has ended",
    async (moments) => {
      const { client } = streaming(
        ({ pathname }) =>
          pathname.startsWith("/operations/")
            ? { ...OPERATION, status: "running", part_count: 0, version: 1, position: "e-1" }
            : page("e-1"),
        (stream) => setTimeout(ending, 5, stream),
      );
      expect(await client.follow(ID).result()).toBe(7);
      for (let i = 0; i < moments; i++) await null;
      await client.subscribe("a", () => {}).ready;
    },
  );

  test.each(Array.from({ length: 40 }, (_, i) => i))(
    "%s moments after another was confirmed",
    async (moments) => {
      const { client } = streaming(() => page("e-1"));
      await client.subscribe("a", () => {}).ready;
      for (let i = 0; i < moments; i++) await null;
      await client.subscribe("b", () => {}).ready;
      for (let i = 0; i < moments; i++) await null;
      await client.subscribe("c", () => {}).ready;
    },
  );
});

describe("what is to begin with all that is kept is brought up before a stream has it", () => {
  test.each(Array.from({ length: 40 }, (_, i) => i))(
    "added %s moments after another was",
    async (moments) => {
      const kept = ["e-1", "e-2"].map((position) => message("b", position));
      const { client, streams } = streaming(({ pathname, searchParams }) => {
        if (pathname.startsWith("/operations/"))
          return { ...OPERATION, status: "running", part_count: 0, version: 1, position: "e-1" };
        const earliest = searchParams.get("after") === "earliest";
        return page("e-2", earliest ? kept : []);
      });
      client.follow(ID);
      const seen: unknown[] = [];
      const first = client.subscribe("a", () => {});
      for (let i = 0; i < moments; i++) await null;
      const options = { after: "earliest", onGap: () => seen.push("a gap") } as const;
      const second = client.subscribe("b", ({ data }) => seen.push(data), options);
      await Promise.all([first.ready, second.ready]);
      const both = (): Stream | undefined => streams.find(({ filters }) => filters.includes("b"));
      await until(both);
      expect(streams.map(({ after }) => after)).not.toContainEqual(
        expect.stringContaining("earliest"),
      );
      both()?.say(`id: e-3\ndata: ${JSON.stringify(message("b", "e-3"))}\n\n`);
      await until(() => seen.length === 3);
      expect(seen).toEqual(["e-1", "e-2", "e-3"]);
    },
  );
});

test.each(Array.from({ length: 40 }, (_, i) => i))(
  "a position of another life, added %s moments after another, is a gap for its own alone",
  async (moments) => {
    const { client, streams } = streaming(({ searchParams }) => {
      const foreign = searchParams.get("after")?.startsWith("old-");
      return { ...page("e-2"), gap: !!foreign };
    });
    const seen: unknown[] = [];
    const first = client.subscribe("a", () => {}, { onGap: () => seen.push("a") });
    for (let i = 0; i < moments; i++) await null;
    const second = client.subscribe("b", () => {}, {
      after: "old-7",
      onGap: () => seen.push("b"),
    });
    await Promise.all([first.ready, second.ready]);
    await until(() => streams.some(({ filters }) => filters.includes("b")));
    expect(streams.map(({ after }) => after)).not.toContainEqual(expect.stringMatching(/^old/));
    expect(seen).toEqual(["b"]);
  },
);

test("a stream that was cut among last values has not brought them", async () => {
  const { client, streams } = streaming(() => page("e-5", [message("a", "e-3")]));
  const seen: unknown[] = [];
  const { ready } = client.subscribe("#", ({ data }) => seen.push(data));
  await ready;
  await until(() => streams.length === 1);
  expect([streams[0]?.after, seen]).toEqual(["e-5", ["e-3"]]);
  const say = (text: string): unknown => streams.at(-1)?.say(text);
  say(":\nid: e-9,retained\n\n"); // b's, of e-7, was to come
  streams[0]?.end();
  await until(() => streams.length === 2);
  expect(streams[1]?.after).toBe("e-5");
  for (const [topic, position] of [
    ["b", "e-7"],
    ["c", "e-8"],
  ] as const) {
    say(`id: ${position}\ndata: ${JSON.stringify(message(topic, position))}\n\n`);
  }
  say(":\nid: e-10\n\n"); // all are out
  await until(() => seen.length === 3);
  expect(seen).toEqual(["e-3", "e-7", "e-8"]);
  streams[1]?.end();
  await until(() => streams.length === 3);
  expect(streams[2]?.after).toBe("e-10");
});
