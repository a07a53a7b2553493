/** Rendering on a server: nothing is asked of anybody, and the page takes over what it was sent. */

import "./dom.js"; // before React looks whether there is a page

import { act } from "@testing-library/react";
import { StrictMode } from "react";
import { hydrateRoot } from "react-dom/client";
import { renderToString } from "react-dom/server";
import { expect, test } from "vitest";
import { type Client, connect } from "../../src/index.js";
import {
  RingbackProvider,
  useConnection,
  useOperation,
  useSubmit,
  useTopic,
  useUpload,
} from "../../src/react/index.js";
import { until } from "../serving.js";
import { counting, serve } from "./page.js";

const page = serve();
const KNOWN = { topic: "rooms/1", position: null, at: "2026-01-01T00:00:00Z", data: "loaded" };

function All({ id, token }: { id: string; token: string | undefined }) {
  const topic = useTopic("rooms/1", { initial: [KNOWN] });
  const { status } = useOperation({ id, token });
  const { pending } = useSubmit("work");
  const { sending } = useUpload();
  const connection = useConnection();
  return (
    <p>
      {topic.messages.map((message) => `${message.data};`)}
      {status ?? "unknown"};{String(pending || sending)};{connection.status}
    </p>
  );
}

function Page({ client, ...operation }: { client: Client; id: string; token: string | undefined }) {
  return (
    <StrictMode>
      <RingbackProvider client={client}>
        <All {...operation} />
      </RingbackProvider>
    </StrictMode>
  );
}

const text = (html: string): string => html.replace(/<[^>]*>/g, "");

test("a server renders what it knows and sends nothing", async () => {
  const traffic: unknown[] = [];
  const client = connect(page.server.url, { onTraffic: (each) => traffic.push(each) });
  const open = counting(client);
  const html = renderToString(<Page client={client} id="some-id" token="some-token" />);
  expect(text(html)).toBe("loaded;unknown;false;idle");
  await new Promise((resolve) => setTimeout(resolve)); // whatever was put off would be due
  expect(traffic).toEqual([]);
  expect(open).toMatchObject({ subscribed: [], followed: 0 });
});

test("the page takes over without a difference, and connects then", async () => {
  const { id, token } = await page.client().submit("work", { who: "lea" });
  const server = connect(page.server.url);
  const container = document.createElement("div");
  document.body.append(container);
  container.innerHTML = renderToString(<Page client={server} id={id} token={token} />);
  const client = page.client();
  const open = counting(client);
  const errors: unknown[] = [];
  const root = await act(async () =>
    hydrateRoot(container, <Page client={client} id={id} token={token} />, {
      onRecoverableError: (error) => errors.push(error),
    }),
  );
  await until(() => container.textContent === "loaded;succeeded;false;connected");
  await page.server.publish("rooms/1", "live");
  await until(() => container.textContent === "loaded;live;succeeded;false;connected");
  expect(errors).toEqual([]);
  expect(open).toMatchObject({ subscriptions: 1, operations: 1 });
  act(() => root.unmount());
  await until(() => open.subscriptions === 0 && open.operations === 0);
});
