/** Having work done from a component, once. */

import "./dom.js"; // before React looks whether there is a page

import { act, renderHook, waitFor } from "@testing-library/react";
import { expect, test } from "vitest";
import type { Operation } from "../../src/index.js";
import { useOperation, useSubmit } from "../../src/react/index.js";
import { until } from "../serving.js";
import { around, serve } from "./page.js";

const page = serve();

/** How often the work of somebody was done, by the topic that tells of it. */
async function times(who: string): Promise<number> {
  const found: unknown[] = [];
  const client = page.client();
  await new Promise<void>((resolve, reject) => {
    client.subscribe(`done/${who}`, (message) => found.push(message.data), {
      after: "earliest",
      onCurrent: () => resolve(),
      onError: reject,
    });
  });
  return found.length;
}

/** A `fetch` that sends each submission, and tells its answer only from the `answered`th on. */
function losing(answered: number) {
  let sent = 0;
  const keys: (string | null)[] = [];
  const lossy: typeof fetch = async (input, init) => {
    const answer = await fetch(input, init);
    if (!String(input).includes("/tasks/")) return answer;
    keys.push(new Headers(init?.headers).get("Idempotency-Key"));
    sent += 1;
    if (sent >= answered) return answer;
    return new Promise<Response>((_, reject) => {
      init?.signal?.addEventListener("abort", () => reject(init.signal?.reason));
    });
  };
  return { lossy, keys };
}

test("submits, and the operation tells how it goes until its result", async () => {
  const client = page.client();
  const { result } = renderHook(
    () => {
      const submission = useSubmit<unknown, string, number>("work");
      return { submission, view: useOperation(submission.operation) };
    },
    { wrapper: around(client) },
  );
  expect(result.current.submission).toMatchObject({ operation: null, pending: false, error: null });
  expect(result.current.view).toMatchObject({ operation: null, status: null, done: false });
  let answer: Promise<Operation | null> = Promise.resolve(null);
  act(() => {
    answer = result.current.submission.submit({ who: "anna", parts: 3 });
  });
  expect(result.current.submission.pending).toBe(true);
  await waitFor(() => expect(result.current.view.done).toBe(true));
  expect(result.current.view.error).toBe(null);
  const { submission, view } = result.current;
  expect(submission.pending).toBe(false);
  expect(submission.operation).toBe(await answer);
  await waitFor(() => expect(result.current.view.parts).toEqual([0, 1, 2]));
  expect(view).toMatchObject({ done: true, result: "done for anna", error: null });
});

test("a double click asks once, however fast the server is", async () => {
  const client = page.client();
  const { result } = renderHook(() => useSubmit("work"), { wrapper: around(client) });
  const { submit } = result.current;
  const [first, second] = await act(() =>
    Promise.all([submit({ who: "berta" }), submit({ who: "berta" })]),
  );
  expect(first?.id).toBe(second?.id);
  const third = await act(() => submit({ who: "berta" }));
  expect(third).toBe(first);
  await third?.result();
  expect(await times("berta")).toBe(1);
});

test("another input, or the same after a reset, is another submission", async () => {
  const client = page.client();
  const { result } = renderHook(() => useSubmit("work"), { wrapper: around(client) });
  const ids = new Set<string | undefined>();
  ids.add((await act(() => result.current.submit({ who: "carl" })))?.id);
  ids.add((await act(() => result.current.submit({ who: "carla" })))?.id);
  act(() => result.current.reset());
  expect(result.current.operation).toBe(null);
  ids.add((await act(() => result.current.submit({ who: "carla" })))?.id);
  expect(ids.size).toBe(3);
});

test.each(["retry", "submit"] as const)(
  "%s after an answer that got lost does nothing twice",
  async (how) => {
    const who = `dora-${how}`;
    const { lossy, keys } = losing(2);
    const client = page.client({ fetch: lossy });
    const { result } = renderHook(() => useSubmit("work"), { wrapper: around(client) });
    let first: Promise<Operation | null> = Promise.resolve(null);
    act(() => {
      first = result.current.submit({ who });
    });
    await until(() => keys.length === 1);
    await act(async () => result.current.abort());
    expect(await first).toBe(null);
    expect(result.current).toMatchObject({ pending: false, error: null });
    const again = await act(() =>
      how === "retry" ? result.current.retry() : result.current.submit({ who }),
    );
    expect(keys).toEqual([keys[0], keys[0]]);
    expect(result.current).toMatchObject({ error: null, operation: again });
    await again?.result();
    expect(await times(who)).toBe(1);
  },
);

test("what the server refuses is the error, and nothing is thrown", async () => {
  const client = page.client();
  const { result } = renderHook(() => useSubmit("work"), { wrapper: around(client) });
  expect(await act(() => result.current.submit({ whom: "nobody" }))).toBe(null);
  expect(result.current.error).toMatchObject({ code: "invalid-input" });
  await act(() => result.current.submit({ who: "emil" }));
  expect(result.current.error).toBe(null);
});

test("retry of work that failed is another submission", async () => {
  const client = page.client();
  const { result } = renderHook(
    () => {
      const submission = useSubmit("fail");
      return { submission, view: useOperation(submission.operation) };
    },
    { wrapper: around(client) },
  );
  await act(() => result.current.submission.submit({ why: "rain" }));
  await waitFor(() => expect(result.current.view.status).toBe("failed"));
  expect(result.current.view).toMatchObject({ done: true, result: undefined });
  expect(result.current.view.error?.detail).toContain("rain");
  const first = result.current.submission.operation?.id;
  const again = await act(() => result.current.submission.retry());
  expect(again?.id).toMatch(/-/);
  expect(again?.id).not.toBe(first);
});

test("unmounting stops nothing", async () => {
  const client = page.client();
  const { result, unmount } = renderHook(() => useSubmit("work"), { wrapper: around(client) });
  let answer: Promise<Operation | null> = Promise.resolve(null);
  act(() => {
    answer = result.current.submit({ who: "frida" });
  });
  unmount();
  expect(await (await answer)?.result()).toBe("done for frida");
});

test("the functions stay the same, and a state that did not change too", async () => {
  const client = page.client();
  const { result, rerender } = renderHook(() => useSubmit("work"), { wrapper: around(client) });
  const before = result.current;
  rerender();
  expect(result.current).toBe(before);
  await act(() => before.submit({ who: "gerd" }));
  expect(result.current.submit).toBe(before.submit);
});
