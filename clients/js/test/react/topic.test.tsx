/** Messages of topics in a component: nothing missed, nothing twice, and nothing left open. */

import "./dom.js"; // before React looks whether there is a page

import { act, render, renderHook, waitFor } from "@testing-library/react";
import { Activity } from "react";
import { expect, test } from "vitest";
import { type Filters, useTopic } from "../../src/react/index.js";
import { until } from "../serving.js";
import { around, counting, serve } from "./page.js";

const page = serve();

const data = (view: { messages: readonly { data: unknown }[] }): unknown[] =>
  view.messages.map((message) => message.data);

test("under StrictMode each message comes once, and nothing stays open", async () => {
  const client = page.client();
  const open = counting(client);
  const heard: unknown[] = [];
  const { result, unmount } = renderHook(
    () => useTopic("rooms/1", { onMessage: (message) => heard.push(message.data) }),
    { wrapper: around(client) },
  );
  await waitFor(() => expect(result.current.ready).toBe(true));
  expect(open).toMatchObject({ subscriptions: 1, subscribed: ["rooms/1", "rooms/1"] });
  for (const text of ["a", "b", "c"]) await page.server.publish("rooms/1", text);
  await waitFor(() => expect(data(result.current)).toEqual(["a", "b", "c"]));
  expect(heard).toEqual(["a", "b", "c"]);
  expect(result.current.latest?.data).toBe("c");
  unmount();
  expect(open.subscriptions).toBe(0);
});

test("after joins what was read before, without a hole", async () => {
  const position = await page.server.publish("rooms/2", 1);
  await page.server.publish("rooms/2", 2);
  const { result } = renderHook(() => useTopic("rooms/2", { after: position }), {
    wrapper: around(page.client()),
  });
  await waitFor(() => expect(result.current.current).toBe(true));
  await page.server.publish("rooms/2", 3);
  await waitFor(() => expect(data(result.current)).toEqual([2, 3]));
});

test("no more than limit messages are kept", async () => {
  for (let number = 0; number < 150; number++) await page.server.publish("rooms/3", number);
  const { result } = renderHook(
    () => [
      useTopic("rooms/3", { after: "earliest" }),
      useTopic("rooms/3", { after: "earliest", limit: 2 }),
    ],
    { wrapper: around(page.client()) },
  );
  await waitFor(() => expect(result.current.every((view) => view.current)).toBe(true));
  const [all, few] = result.current;
  expect(all?.messages).toHaveLength(100);
  expect(few && data(few)).toEqual([148, 149]);
});

test("of messages with the same key the last is kept", async () => {
  for (const [id, version] of [
    ["a", 1],
    ["b", 1],
    ["a", 2],
  ]) {
    await page.server.publish("rooms/4", { id, version });
  }
  const { result } = renderHook(
    () =>
      useTopic<{ id: string; version: number }>("rooms/4", {
        after: "earliest",
        key: (message) => message.data.id,
      }),
    { wrapper: around(page.client()) },
  );
  await waitFor(() => expect(result.current.current).toBe(true));
  expect(data(result.current)).toEqual([
    { id: "b", version: 1 },
    { id: "a", version: 2 },
  ]);
});

test("reduce makes one value of all messages", async () => {
  for (const number of [1, 2, 3]) await page.server.publish("rooms/5", number);
  const { result } = renderHook(
    () =>
      useTopic<number, number>("rooms/5", {
        after: "earliest",
        initial: 10,
        reduce: (sum, message) => sum + message.data,
      }),
    { wrapper: around(page.client()) },
  );
  expect(result.current.state).toBe(10);
  await waitFor(() => expect(result.current.state).toBe(16));
});

test("a message that fits several filters comes once, kept or not", async () => {
  for (const topic of ["rooms/6", "mice/6"]) {
    const { result, unmount } = renderHook(() => useTopic([topic, topic.replace("6", "+")]), {
      wrapper: around(page.client()),
    });
    await waitFor(() => expect(result.current.ready).toBe(true));
    for (const number of [1, 1, 2]) await page.server.publish(topic, number);
    await waitFor(() => expect(result.current.latest?.data).toBe(2));
    expect(data(result.current)).toEqual([1, 1, 2]);
    unmount();
  }
});

test("filters that stay go on undisturbed when others come and go", async () => {
  const client = page.client();
  const open = counting(client);
  const { result, rerender } = renderHook((filters: Filters) => useTopic(filters), {
    wrapper: around(client),
    initialProps: ["rooms/7a", "rooms/7b"] as Filters,
  });
  await waitFor(() => expect(result.current.ready).toBe(true));
  await page.server.publish("rooms/7a", "a");
  await page.server.publish("rooms/7b", "b");
  await waitFor(() => expect(result.current.messages).toHaveLength(2));
  const before = open.subscribed.length;
  rerender(["rooms/7b", "rooms/7c"]);
  await waitFor(() => expect(result.current.ready).toBe(true));
  expect(data(result.current)).toEqual(["b"]);
  expect(open.subscribed.slice(before)).toEqual(["rooms/7c"]);
  expect(open.subscriptions).toBe(2);
  await page.server.publish("rooms/7a", "gone");
  await page.server.publish("rooms/7c", "c");
  await waitFor(() => expect(data(result.current)).toEqual(["b", "c"]));
});

test.each(["rooms/16", "rooms/+"])(
  "a message that fits the filter that stays goes with none of the others: %s",
  async (stays) => {
    const { result, rerender } = renderHook((filters: Filters) => useTopic(filters), {
      wrapper: around(page.client()),
      initialProps: ["rooms/16", "rooms/+"] as Filters,
    });
    await waitFor(() => expect(result.current.current).toBe(true));
    await page.server.publish("rooms/16", stays);
    await waitFor(() => expect(data(result.current)).toEqual([stays]));
    rerender([stays]);
    await waitFor(() => expect(result.current.current).toBe(true));
    expect(data(result.current)).toEqual([stays]);
    expect(result.current.latest?.data).toBe(stays);
  },
);

test("a filter that comes back brings what went with it", async () => {
  for (const room of ["a", "b"]) await page.server.publish(`rooms/17${room}`, room);
  const { result, rerender } = renderHook(
    (filters: Filters) => useTopic(filters, { after: "earliest" }),
    {
      wrapper: around(page.client()),
      initialProps: ["rooms/17a", "rooms/17b"] as Filters,
    },
  );
  await waitFor(() => expect(data(result.current).sort()).toEqual(["a", "b"]));
  rerender(["rooms/17a"]);
  await waitFor(() => expect(data(result.current)).toEqual(["a"]));
  expect(result.current.latest?.data).toBe("a");
  rerender(["rooms/17a", "rooms/17b"]);
  await waitFor(() => expect(data(result.current)).toEqual(["a", "b"]));
});

test("what was there before another filter brings it comes once", async () => {
  const position = await page.server.publish("rooms/18a", 1);
  await page.server.publish("rooms/18a", 2);
  const at = "2030-01-01T00:00:00.000Z";
  const initial = [{ topic: "rooms/18a", position, at, data: 1 }];
  const { result, rerender } = renderHook(
    (filters: Filters) => useTopic(filters, { after: "earliest", initial }),
    { wrapper: around(page.client()), initialProps: ["rooms/18a"] as Filters },
  );
  await waitFor(() => expect(data(result.current)).toEqual([1, 2]));
  rerender(["rooms/18a", "rooms/18{room}"]);
  await waitFor(() => expect(result.current.current).toBe(false));
  await waitFor(() => expect(result.current.current).toBe(true));
  expect(data(result.current)).toEqual([1, 2]);
});

test("with a client that is closed it says so", async () => {
  const client = page.client();
  client.close();
  const { result } = renderHook(() => useTopic("rooms/19"), { wrapper: around(client) });
  await waitFor(() => expect(result.current.error?.code).toBe("closed"));
});

test("another room never shows a message of the one before", async () => {
  const client = page.client();
  const open = counting(client);
  const shown: string[] = [];
  const { result, rerender } = renderHook(
    (room: string) => {
      const view = useTopic(room);
      for (const message of view.messages) shown.push(`${room}: ${message.topic}`);
      return view;
    },
    { wrapper: around(client), initialProps: "rooms/8a" },
  );
  await waitFor(() => expect(result.current.ready).toBe(true));
  await page.server.publish("rooms/8a", 1);
  await waitFor(() => expect(result.current.messages).toHaveLength(1));
  rerender("rooms/8b");
  expect(result.current.messages).toEqual([]);
  await waitFor(() => expect(result.current.ready).toBe(true));
  await page.server.publish("rooms/8b", 2);
  await waitFor(() => expect(data(result.current)).toEqual([2]));
  expect(new Set(shown)).toEqual(new Set(["rooms/8a: rooms/8a", "rooms/8b: rooms/8b"]));
  expect(open.subscriptions).toBe(1);
});

test("null follows nothing, and another client is another page", async () => {
  const first = page.client();
  const second = page.client();
  const [one, two] = [counting(first), counting(second)];
  let client = first;
  const { result, rerender } = renderHook((filter: Filters) => useTopic(filter), {
    wrapper: ({ children }) => around(client)({ children }),
    initialProps: null as Filters,
  });
  expect(one.subscribed).toEqual([]);
  expect(result.current.ready).toBe(false);
  rerender("rooms/9");
  await waitFor(() => expect(result.current.ready).toBe(true));
  client = second;
  rerender("rooms/9");
  await waitFor(() => expect(two.subscriptions).toBe(1));
  expect(one.subscriptions).toBe(0);
  await waitFor(() => expect(result.current.ready).toBe(true));
});

test("what is refused is the error, and retry asks again", async () => {
  const client = page.client();
  const open = counting(client);
  const { result } = renderHook(() => useTopic(["rooms/#/all", "rooms/10"]), {
    wrapper: around(client),
  });
  await waitFor(() => expect(result.current.error).not.toBe(null));
  expect(result.current.error?.status).toBeGreaterThanOrEqual(400);
  await page.server.publish("rooms/10", "still here");
  await waitFor(() => expect(data(result.current)).toEqual(["still here"]));
  const asked = open.subscribed.length;
  act(() => result.current.retry());
  expect(open.subscribed.slice(asked)).toEqual(["rooms/#/all"]);
  await waitFor(() => expect(result.current.error).not.toBe(null));
});

test("a gap is told", async () => {
  await page.server.publish("rooms/12", 1);
  const gaps: unknown[] = [];
  const { result } = renderHook(
    // A position of another store, as after a server's data was lost.
    () => useTopic("rooms/12", { after: "0000000000-1", onGap: (gap) => gaps.push(gap) }),
    { wrapper: around(page.client()) },
  );
  await waitFor(() => expect(result.current.current).toBe(true));
  expect(gaps).toHaveLength(1);
  expect(result.current.gap).toBe(gaps[0]);
});

test("with limit 0 messages are told and nothing is rendered", async () => {
  let renders = 0;
  const heard: unknown[] = [];
  const { result } = renderHook(
    () => {
      renders += 1;
      return useTopic("rooms/11", { limit: 0, onMessage: ({ data }) => heard.push(data) });
    },
    { wrapper: around(page.client()) },
  );
  await waitFor(() => expect(result.current.current).toBe(true));
  const before = renders;
  await page.server.publish("rooms/11", 1);
  await until(() => heard.length === 1);
  await act(async () => {});
  expect(renders).toBe(before);
});

test("what comes while it is hidden is there when it is shown again, once", async () => {
  const client = page.client();
  const open = counting(client);
  function Room() {
    return <p>{data(useTopic("rooms/13")).join()}</p>;
  }
  const at = (mode: "visible" | "hidden") => (
    <Activity mode={mode}>
      <Room />
    </Activity>
  );
  const { container, rerender } = render(at("visible"), { wrapper: around(client) });
  await until(() => client.connection.status === "connected");
  await until(() => open.last?.position);
  await page.server.publish("rooms/13", 1);
  await until(() => container.textContent === "1");
  rerender(at("hidden"));
  expect(open.subscriptions).toBe(0);
  await page.server.publish("rooms/13", 2);
  rerender(at("visible"));
  await page.server.publish("rooms/13", 3);
  await until(() => container.textContent === "1,2,3");
});

test("a server that dies and comes back is no gap", async () => {
  const { result } = renderHook(() => useTopic("rooms/15"), { wrapper: around(page.client()) });
  await waitFor(() => expect(result.current.ready).toBe(true));
  await page.server.publish("rooms/15", 1);
  await waitFor(() => expect(data(result.current)).toEqual([1]));
  await page.server.kill();
  await page.server.start();
  await page.server.publish("rooms/15", 2);
  await waitFor(() => expect(data(result.current)).toEqual([1, 2]));
  expect(result.current.gap).toBe(null);
});
