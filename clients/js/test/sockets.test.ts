/** What goes over a WebSocket, frame by frame: against a server that says when. */

import { afterEach, expect, test } from "vitest";
import { type Client, connect, type Options } from "../src/index.js";
import { until } from "./serving.js";

interface Action {
  readonly action: string;
  readonly id: string;
  readonly filter: string;
  readonly after?: string;
}

/** One connection that was opened; it answers what it is told to. */
class Socket {
  static all: Socket[] = [];
  readonly readyState = 1;
  readonly actions: Action[] = [];
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;

  constructor() {
    Socket.all.push(this);
    setTimeout(() => this.say({ type: "welcome", heartbeat: 25 }));
  }

  send(text: string): void {
    this.actions.push(JSON.parse(text));
  }

  close(): void {}

  say(frame: object): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }

  /** What it was asked to subscribe to. */
  get subscribed(): Action[] {
    return this.actions.filter(({ action }) => action === "subscribe");
  }

  /** Answer the newest subscription. */
  reply(position: string): void {
    this.say({ type: "reply", id: this.subscribed.at(-1)?.id, result: { position } });
  }

  message(topic: string, position: string, filter?: string): void {
    const at = "2030-01-01T00:00:00.000Z";
    this.say({ type: "message", topic, position, at, data: position, ...(filter && { filter }) });
  }
}

let clients: Client[] = [];
afterEach(() => {
  for (const each of clients) each.close();
  clients = [];
  Socket.all = [];
});

function client(options: Options): Client {
  const made = connect("http://localhost/", {
    WebSocket: Socket as unknown as typeof WebSocket,
    ...options,
  });
  clients.push(made);
  return made;
}

/** The first connection, `others` aside, that was asked for so many subscriptions. */
async function asked(count: number, others = 0): Promise<Socket> {
  const found = (): Socket | undefined =>
    Socket.all.slice(others).find(({ subscribed }) => subscribed.length === count);
  return (await until(found, 5_000)) as Socket;
}

const answering =
  (answer: (url: URL) => object): typeof fetch =>
  async (input) =>
    Response.json(answer(new URL(String(input))));

test("one that begins now is given nothing of another's replay of the same filter", async () => {
  const page = { messages: [], position: "e-10", gap: false, missed: [] };
  const c = client({ transports: ["websocket"], fetch: answering(() => page) });
  const seen: unknown[][] = [[], []];
  const [first, second] = seen.map(
    (each) =>
      ({
        handler: ({ data }: { data: unknown }) => each.push(data),
        onGap: () => each.push("a gap"),
      }) as const,
  );
  c.subscribe("a", first?.handler, { after: "e-1", onGap: first?.onGap });
  const socket = await asked(1);
  const { ready } = c.subscribe("a", second?.handler, { onGap: second?.onGap });
  await null;
  socket.reply("e-1");
  socket.say({ type: "gap", filter: "a", topics: ["a"], position: "e-5" });
  socket.message("a", "e-6", "a");
  socket.say({ type: "current", filter: "a", position: "e-10" });
  await ready;
  socket.message("a", "e-11");
  expect(seen).toEqual([["a gap", "e-6", "e-11"], ["e-11"]]);
});

test("who asks anew is given nothing of the replay that was ended before", async () => {
  const c = client({ transports: ["websocket"] });
  const old = c.subscribe("a", () => {}, { after: "e-1" });
  const socket = await asked(1);
  socket.reply("e-1");
  old.close();
  await until(() => socket.actions.some(({ action }) => action === "unsubscribe"));
  const seen: unknown[] = [];
  c.subscribe("a", ({ data }) => seen.push(data), { onGap: () => seen.push("a gap") });
  await null;
  socket.message("a", "e-2", "a"); // was under way
  const left = socket.actions.find(({ action }) => action === "unsubscribe");
  socket.say({ type: "reply", id: left?.id, result: {} });
  await until(() => socket.subscribed.length === 2);
  socket.message("a", "e-3", "a"); // a last value
  socket.reply("e-10");
  socket.message("a", "e-11");
  expect(seen).toEqual(["e-3", "e-11"]);
});

test.each(["long-polling", "sse"] as const)(
  "who uses other transports the moment it is current goes on over those, from %s",
  async (before) => {
    const c = client({
      transports: [before],
      fetch: answering(() => ({ messages: [], position: "e-10", gap: false, missed: [] })),
    });
    const seen: unknown[] = [];
    const onCurrent = (): void => {
      if (!Socket.all.length) c.use(["websocket"]);
    };
    c.subscribe("a", ({ data }) => seen.push(data), { onCurrent });
    const socket = await asked(1);
    expect(socket.subscribed).toMatchObject([{ filter: "a", after: "e-10" }]);
    socket.reply("e-10");
    socket.message("a", "e-11", "a");
    expect(seen).toEqual(["e-11"]);
  },
);

test("a message reaches all that it is for, though one of them changes the transport", async () => {
  const c = client({ transports: ["websocket"] });
  const seen: unknown[] = [];
  let uses = 0;
  c.subscribe("a", () => {
    if (!uses++) c.use(["websocket"]);
  });
  c.subscribe("#", ({ data }) => seen.push(data));
  const socket = await asked(2);
  for (const { id } of socket.subscribed)
    socket.say({ type: "reply", id, result: { position: "e-1" } });
  socket.message("a", "e-2");
  const next = await asked(2, 1);
  expect(next.subscribed.map(({ after }) => after)).toEqual(["e-2", "e-2"]);
  expect(seen).toEqual(["e-2"]);
});

test("what a poll brings behind a gap is for those whose topics it does not name, too", async () => {
  const seen: Record<string, unknown[]> = { a: [], b: [] };
  const message = (topic: string, position: string): object => {
    return { topic, position, at: "2030-01-01T00:00:00.000Z", data: position };
  };
  const c = client({
    transports: ["long-polling"],
    fetch: async (input, init) => {
      const { searchParams } = new URL(String(input));
      if (searchParams.has("limit") || !searchParams.has("filter"))
        return Response.json({ messages: [], position: "e-10", gap: false, missed: [] });
      if (searchParams.get("after") === "e-10" && searchParams.getAll("filter").length === 2) {
        const messages = [message("b", "e-12"), message("a", "e-20"), message("b", "e-21")];
        return Response.json({ messages, position: "e-21", gap: true, missed: ["a"] });
      }
      return new Promise((_, reject) => {
        init?.signal?.addEventListener("abort", () => reject(init?.signal?.reason));
      });
    },
  });
  for (const [filter, each] of Object.entries(seen)) {
    const onGap = (): unknown => each.push("a gap");
    c.subscribe(filter, ({ data }) => each.push(data), { onGap });
  }
  await until(() => seen["a"]?.length === 2 && seen["b"]?.length === 2, 5_000).catch(() => {});
  expect(seen).toEqual({ a: ["a gap", "e-20"], b: ["e-12", "e-21"] });
});

test("a tab that another carried for gets all last values where that went in the middle of them", async () => {
  const options = { share: true, transports: ["websocket"] } as const;
  const first = client(options);
  first.subscribe("z", () => {});
  const socket = await asked(1);
  socket.reply("e-9");
  const seen: unknown[] = [];
  client(options).subscribe("a/#", ({ data }) => seen.push(data));
  await until(() => socket.subscribed.length === 2);
  socket.message("a/1", "e-5", "a/#");
  await until(() => seen.length);
  first.close();
  const next = await asked(1, 1);
  expect(next.subscribed.map(({ filter, after }) => [filter, after])).toEqual([["a/#", undefined]]);
});

test("a stream that was about to be asked for when it was given up is not begun", async () => {
  let streams = 0;
  /** Those who wait for a token, while somebody lets them wait. */
  let waiting: (() => void)[] | null = null;
  const next = async (): Promise<void> => (await until(() => waiting?.shift()))?.();
  const c = client({
    transports: ["sse"],
    getToken: () =>
      new Promise((resolve) => {
        if (waiting) waiting.push(() => resolve(undefined));
        else resolve(undefined);
      }),
    fetch: async (_, init) => {
      if (new Headers(init?.headers).get("Accept") !== "text/event-stream")
        return Response.json({ messages: [], position: "e-1", gap: false, missed: [] });
      streams++;
      const body = new ReadableStream({
        start(controller) {
          controller.enqueue(new TextEncoder().encode("retry: 1\n\n"));
          init?.signal?.addEventListener("abort", () => controller.error(init?.signal?.reason));
        },
      });
      return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
    },
  });
  await c.subscribe("a", () => {}).ready;
  await until(() => c.connection.status === "connected");
  waiting = [];
  const second = c.subscribe("b", () => {});
  await next(); // its page
  await second.ready;
  await until(() => waiting?.length); // the stream for both
  c.use(["websocket"]);
  await until(() => Socket.all.length);
  await new Promise((resolve) => setTimeout(resolve, 20));
  const held = waiting;
  waiting = null;
  for (const each of held) each();
  const socket = await asked(2);
  for (const { id } of socket.subscribed)
    socket.say({ type: "reply", id, result: { position: "e-1" } });
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(streams).toBe(1);
});

test("one that another life of the store has is no gap for others", async () => {
  const pages: string[] = [];
  let stream = "";
  const c = client({
    transports: ["websocket"],
    fetch: async (input, init) => {
      const { searchParams } = new URL(String(input));
      const after = searchParams.get("after") ?? "";
      if (new Headers(init?.headers).get("Accept") === "text/event-stream") {
        stream = after;
        return new Response("", { status: 503 });
      }
      pages.push(after);
      return Response.json({
        messages: [],
        position: "new-7",
        gap: /^old/.test(after),
        missed: [],
      });
    },
  });
  const seen: unknown[] = [];
  for (const filter of ["a", "b"])
    c.subscribe(filter, () => {}, { after: "old-1", onGap: () => seen.push(filter) });
  const socket = await asked(2);
  for (const { id } of socket.subscribed)
    socket.say({ type: "reply", id, result: { position: "old-1" } });
  socket.say({ type: "gap", filter: "a", position: "new-5" });
  c.use(["sse"]);
  await until(() => stream);
  expect([stream, pages.sort(), seen]).toEqual(["new-7", ["new-5", "old-1"], ["a", "b"]]);
});

test("one that was closed stands where it ended, wherever the others go", async () => {
  const c = client({ transports: ["websocket"] });
  const closed = c.subscribe("a", () => {});
  c.subscribe("b", () => {});
  const socket = await asked(2);
  for (const { id } of socket.subscribed)
    socket.say({ type: "reply", id, result: { position: "e-1" } });
  socket.message("a", "e-2");
  closed.close();
  expect(closed.position).toBe("e-2");
  socket.message("b", "e-4"); // a's e-3 was not for it any more
  expect(closed.position).toBe("e-2");
});

test("one that is closed in the middle of a page stands there", async () => {
  const kept = ["e-1", "e-2", "e-3"].map((position) => {
    return { topic: "a", position, at: "2030-01-01T00:00:00.000Z", data: position };
  });
  const c = client({
    transports: ["long-polling"],
    fetch: answering(({ searchParams }) => {
      const messages = searchParams.get("after") === "earliest" ? kept : [];
      return { messages, position: "e-3", gap: false, missed: [] };
    }),
  });
  const seen: unknown[] = [];
  const subscription = c.subscribe(
    "a",
    ({ data }) => {
      seen.push([data, subscription.position]);
      if (data === "e-2") subscription.close();
    },
    { after: "earliest" },
  );
  await until(() => seen.length === 2);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(seen).toEqual([
    ["e-1", "e-1"],
    ["e-2", "e-2"],
  ]);
  expect(subscription.position).toBe("e-2");
});

test("what a page has lost lies before what it has", async () => {
  const message = { topic: "a", position: "e-7", at: "2030-01-01T00:00:00.000Z", data: 7 };
  const c = client({
    transports: ["long-polling"],
    fetch: answering(({ searchParams }) => {
      const first = searchParams.get("after") === "e-1";
      return { messages: first ? [message] : [], position: "e-9", gap: first, missed: [] };
    }),
  });
  const seen: unknown[] = [];
  const onGap = ({ position }: { position: string | null }): unknown =>
    seen.push(["gap", position]);
  c.subscribe("a", ({ position }) => seen.push(position), { after: "e-1", onGap });
  await until(() => seen.length === 2);
  expect(seen).toEqual([["gap", "e-6"], "e-7"]);
});

test("one that is current with another, which changes the transport and goes, is asked for again", async () => {
  const c = client({ transports: ["websocket"] });
  const seen: unknown[] = [];
  const onCurrent = (): void => {
    first.close();
    c.use(["websocket"]);
  };
  const first = c.subscribe("a", () => {}, { after: "e-1", onCurrent });
  c.subscribe("a", ({ data }) => seen.push(data), { after: "e-1" });
  const socket = await asked(1);
  socket.reply("e-1");
  socket.say({ type: "current", filter: "a", position: "e-5" });
  const next = await asked(1, 1);
  expect(next.subscribed).toMatchObject([{ filter: "a", after: "e-5" }]);
});

test("a gap is told once, though who is told of it changes the transport", async () => {
  const c = client({ transports: ["websocket"] });
  const seen: unknown[] = [];
  const first = c.subscribe("a", () => {}, {
    onGap() {
      seen.push(first.position);
      c.use(["websocket"]);
    },
  });
  c.subscribe("b", () => {}, { onGap: () => seen.push("b") });
  const socket = await asked(2);
  for (const { id } of socket.subscribed)
    socket.say({ type: "reply", id, result: { position: "e-1" } });
  socket.say({ type: "gap", position: "e-5" });
  expect(seen).toEqual(["e-5", "b"]);
  const next = await asked(2, 1);
  expect(next.subscribed.map(({ after }) => after)).toEqual(["e-5", "e-5"]);
});

test("a token that was being asked for does not replace what the page said since", async () => {
  let give = (_: string): void => {};
  const shown: (string | null)[] = [];
  const c = client({
    transports: ["websocket"],
    getToken: () =>
      new Promise((resolve) => {
        give = resolve;
      }),
    fetch: async (_, init) => {
      shown.push(new Headers(init?.headers).get("Authorization"));
      return Response.json({ topic: "a", position: null, listeners: 0 });
    },
  });
  const first = c.publish("a", 1);
  await null;
  c.setToken("another's");
  give("the one's");
  await first;
  await c.publish("a", 2);
  expect(shown).toEqual(["Bearer another's", "Bearer another's"]);
});
