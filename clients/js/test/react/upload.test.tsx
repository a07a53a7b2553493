/** Files from a component, the connection, and the provider. */

import "./dom.js"; // before React looks whether there is a page

import { act, renderHook, waitFor } from "@testing-library/react";
import { expect, test, vi } from "vitest";
import { useClient, useConnection, useTopic, useUpload } from "../../src/react/index.js";
import { around, serve } from "./page.js";

const page = serve();

test("a file is sent, worked on, and its result shown", async () => {
  const { result } = renderHook(() => useUpload<number>(), { wrapper: around(page.client()) });
  expect(result.current).toMatchObject({ operation: null, sending: false, sent: 0, size: 0 });
  const file = new Blob(["buy milk, and tea"]);
  act(() => {
    const first = result.current.upload(file, { name: "notes/list.txt" });
    expect(result.current.upload(file, { name: "notes/list.txt" })).toBe(first);
  });
  expect(result.current).toMatchObject({ sending: true, size: 17 });
  await waitFor(() => expect(result.current.done).toBe(true));
  expect(result.current).toMatchObject({ sending: false, sent: 17, result: 17, error: null });
  act(() => result.current.reset());
  expect(result.current).toMatchObject({ operation: null, result: undefined, size: 0 });
});

test("what the server will not have is the error", async () => {
  const { result } = renderHook(() => useUpload(), { wrapper: around(page.client()) });
  act(() => void result.current.upload(new Blob(["?"]), { name: "nobody/takes.this" }));
  await waitFor(() => expect(result.current.error).not.toBe(null));
  expect(result.current.sending).toBe(false);
});

test("what was stopped goes on from the bytes that are there, once", async () => {
  const requests: string[] = [];
  let stuck = true;
  const slow: typeof fetch = (input, init) => {
    requests.push(`${init?.method} ${new URL(String(input)).pathname.split("/")[1]}`);
    if (!stuck || init?.method !== "PATCH") return fetch(input, init);
    return new Promise((_, reject) => {
      init.signal?.addEventListener("abort", () => reject(init.signal?.reason));
    });
  };
  const { result } = renderHook(() => useUpload<number>(), {
    wrapper: around(page.client({ fetch: slow })),
  });
  act(() => void result.current.upload(new Blob(["half"]), { name: "notes/half" }));
  await waitFor(() => expect(requests).toContain("PATCH uploads"));
  const id = result.current.operation?.id;
  act(() => result.current.abort());
  await waitFor(() => expect(result.current.sending).toBe(false));
  expect(result.current).toMatchObject({ error: null, result: undefined });
  stuck = false;
  act(() => void result.current.retry());
  await waitFor(() => expect(result.current.result).toBe(4));
  expect(result.current.operation?.id).toBe(id);
  expect(requests.filter((each) => each === "POST uploads")).toHaveLength(1);
});

test("retry sends anew what was gone on with and failed", async () => {
  const client = page.client();
  const file = new Blob(["?"]);
  const before = client.upload(file, { name: "wrong/a" });
  await expect(before.result()).rejects.toMatchObject({ code: "task-failed" });
  const { id, token = "" } = before;
  const { result } = renderHook(() => useUpload(), { wrapper: around(client) });
  act(() => void result.current.upload(file, { name: "wrong/a", resume: { id, token } }));
  await waitFor(() => expect(result.current.status).toBe("failed"));
  act(() => void result.current.retry());
  await waitFor(() => expect(result.current.status).toBe("failed"));
  expect(result.current.operation?.id).not.toBe(id);
});

test("the connection is told from idle to connected and closed", async () => {
  const client = page.client();
  const { result, rerender } = renderHook(
    (filter: string | null) => {
      useTopic(filter);
      return useConnection();
    },
    { wrapper: around(client), initialProps: null as string | null },
  );
  expect(result.current.status).toBe("idle");
  rerender("rooms/1");
  await waitFor(() => expect(result.current.status).toBe("connected"));
  expect(result.current).toBe(client.connection);
  act(() => client.close());
  expect(result.current.status).toBe("closed");
});

test("a hook outside of a provider says what to do", () => {
  const said = vi.spyOn(console, "error").mockImplementation(() => {});
  expect(() => renderHook(() => useClient())).toThrow("<RingbackProvider client={connect()}>");
  said.mockRestore();
});
