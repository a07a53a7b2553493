/** What the tests of the hooks share: a server with their application, and pages on it. */

import { cleanup, configure } from "@testing-library/react";
import type { ReactNode } from "react";
import { afterAll, afterEach, beforeAll, vi } from "vitest";
import { type Client, connect, type Options, type Subscription } from "../../src/index.js";
import { RingbackProvider } from "../../src/react/index.js";
import { Server } from "../serving.js";

// Every test of a page runs in StrictMode, where React mounts everything twice.
configure({ reactStrictMode: true, asyncUtilTimeout: 20_000 });

/** A server for the tests of a file, and clients that end with each test. */
export function serve() {
  const server = new Server({}, "react");
  const clients: Client[] = [];
  beforeAll(() => server.start());
  afterAll(() => server.dispose());
  afterEach(() => {
    cleanup();
    for (const client of clients.splice(0)) client.close();
  });
  return {
    server,
    /** A client that the test's page uses. */
    client(options: Options = {}): Client {
      const made = connect(server.url, options);
      clients.push(made);
      return made;
    },
  };
}

/** What hands a client to the hooks. */
export function around(client: Client) {
  return function Around({ children }: { children?: ReactNode }) {
    return <RingbackProvider client={client}>{children}</RingbackProvider>;
  };
}

/** Counts what is followed through a client, which goes on as it is. */
export function counting(client: Client) {
  const open = {
    subscriptions: 0,
    operations: 0,
    subscribed: [] as string[],
    followed: 0,
    /** The subscription that was made last. */
    last: null as Subscription | null,
  };
  const { subscribe, follow } = client;
  vi.spyOn(client, "subscribe").mockImplementation((filter, handler, options) => {
    const made = subscribe(filter, handler as never, options);
    const { close } = made;
    open.subscriptions += 1;
    open.last = made as Subscription;
    open.subscribed.push(filter);
    made.close = () => {
      open.subscriptions -= 1;
      close();
    };
    return made as never;
  });
  vi.spyOn(client, "follow").mockImplementation((id, token) => {
    const made = follow(id, token);
    const close = made.close.bind(made);
    open.operations += 1;
    open.followed += 1;
    made.close = () => {
      open.operations -= 1;
      close();
    };
    return made as never;
  });
  return open;
}
