/** How an operation goes, in a component. */

import "./dom.js"; // before React looks whether there is a page

import { act, render, renderHook, waitFor } from "@testing-library/react";
import { startTransition, useState } from "react";
import { expect, test } from "vitest";
import { type OperationRef, useOperation } from "../../src/react/index.js";
import { until } from "../serving.js";
import { around, counting, serve } from "./page.js";

const page = serve();

test("an operation of before a reload is followed by its id and token", async () => {
  const { id, token } = await page.client().submit("work", { who: "ida", parts: 2 });
  const { result } = renderHook(() => useOperation({ id, token }), {
    wrapper: around(page.client()),
  });
  await waitFor(() => expect(result.current.done).toBe(true));
  await waitFor(() => expect(result.current.parts).toEqual([0, 1]));
  expect(result.current).toMatchObject({ status: "succeeded", result: "done for ida" });
});

test("components that follow the same one share it, and the last one ends it", async () => {
  const { id, token } = await page.client().submit("wait", {});
  const client = page.client();
  const open = counting(client);
  const { result, unmount } = renderHook(
    () => [useOperation({ id, token }), useOperation({ id, token })],
    { wrapper: around(client) },
  );
  await waitFor(() => expect(result.current[0]?.status).toBe("running"));
  expect(result.current[1]?.operation).toBe(result.current[0]?.operation);
  expect(open.followed).toBe(1);
  unmount();
  await until(() => open.operations === 0);
});

test("cancel asks it to stop", async () => {
  const { id, token } = await page.client().submit("wait", {});
  const { result } = renderHook(() => useOperation({ id, token }), {
    wrapper: around(page.client()),
  });
  await waitFor(() =>
    expect(result.current.progress).toEqual({ fraction: 0.5, message: "waiting" }),
  );
  await act(() => result.current.cancel());
  await waitFor(() => expect(result.current.status).toBe("cancelled"));
  expect(result.current.done).toBe(true);
});

test("a result that is too large to come by itself is fetched", async () => {
  const operation = await page.client().submit("large", { size: 100_000 });
  const { result } = renderHook(() => useOperation<string>(operation as never));
  await waitFor(() => expect(result.current.result).toHaveLength(100_000));
});

test("another operation shows nothing of the one before", async () => {
  const client = page.client();
  const first = await client.submit("work", { who: "jan", parts: 1 });
  const second = await client.submit("wait", {});
  const { result, rerender } = renderHook((target: OperationRef | null) => useOperation(target), {
    wrapper: around(client),
    initialProps: { id: first.id, token: first.token } as OperationRef | null,
  });
  await waitFor(() => expect(result.current.result).toBe("done for jan"));
  rerender({ id: second.id, token: second.token });
  expect(result.current.result).toBe(undefined);
  expect(result.current.parts).toEqual([]);
  await waitFor(() => expect(result.current.status).toBe("running"));
  rerender(null);
  expect(result.current).toMatchObject({ operation: null, status: null, done: false });
});

test("what cannot be followed says why", async () => {
  const { id } = await page.client().submit("wait", {});
  const { result } = renderHook(() => useOperation({ id, token: "rbo_no-such-token" }), {
    wrapper: around(page.client()),
  });
  await waitFor(() => expect(result.current.done).toBe(true));
  expect(result.current.status).toBe(null);
  expect(result.current.error?.status).toBeGreaterThanOrEqual(400);
});

test("an Operation object is not closed by the component that shows it", async () => {
  const client = page.client();
  const operation = await client.submit("wait", {});
  const { result, unmount } = renderHook(() => useOperation(operation));
  await waitFor(() => expect(result.current.status).toBe("running"));
  unmount();
  await operation.cancel();
  await until(() => operation.status === "cancelled");
});

test("the view is the same object while nothing changes", async () => {
  const operation = await page.client().submit("work", { who: "kim" });
  const { result, rerender } = renderHook(() => useOperation(operation));
  await waitFor(() => expect(result.current.done).toBe(true));
  const before = result.current;
  rerender();
  expect(result.current).toBe(before);
});

test("a change while React renders is in all parts of the page or in none", async () => {
  const operation = await page.client().submit("wait", {});
  const PARTS = 1000;
  let rendered = 0;
  function Part() {
    const { status } = useOperation(operation);
    const end = performance.now() + 3;
    while (status === "running" && performance.now() < end); // React pauses between the parts
    rendered += 1;
    return <i>{status}</i>;
  }
  let widen = (): void => {};
  function Page() {
    const [parts, setParts] = useState(1);
    widen = () => startTransition(() => setParts(PARTS));
    // biome-ignore lint/suspicious/noArrayIndexKey: they have nothing else
    return Array.from({ length: parts }, (_, part) => <Part key={part} />);
  }
  const { container } = render(<Page />);
  const shown = (): string[] => [...container.querySelectorAll("i")].map((i) => i.innerHTML);
  await until(() => shown()[0] === "running");
  const torn: string[][] = [];
  const look = new window.MutationObserver(() => {
    const states = [...new Set(shown())];
    if (states.length > 1) torn.push(states);
  });
  look.observe(container, { childList: true, subtree: true, characterData: true });
  let midway = false;
  operation.onChange(() => {
    midway ||= operation.status === "cancelled" && rendered > 10 && shown().length === 1;
  });
  rendered = 0;
  widen();
  await until(() => rendered > 10);
  await operation.cancel();
  await until(() => shown().length === PARTS && shown().at(-1) === "cancelled");
  look.disconnect();
  expect(torn).toEqual([]);
  expect(midway).toBe(true);
});
