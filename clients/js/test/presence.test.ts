/** Who follows a topic: asked for, and told as they come and go. */

import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { type Client, connect, type TransportName } from "../src/index.js";
import { Server, until } from "./serving.js";

const server = new Server();
beforeAll(() => server.start());
afterAll(() => server.dispose());

function client(...transports: TransportName[]): Client {
  const made = connect(server.url, { transports });
  onTestFinished(() => made.close());
  return made;
}

test.each<TransportName>(["websocket", "sse"])("who comes and goes over %s", async (name) => {
  const topic = `prices/${name}-ä?`; // not as it is in a path
  const [watching, coming] = [client(name), client(name)];
  expect(await watching.presence(topic)).toEqual({
    topic,
    connections: 0,
    subjects: [],
    anonymous: 0,
  });
  const told: unknown[] = [];
  await watching.subscribe(`$presence/${topic}`, ({ data }) => told.push(data)).ready;
  const followed = coming.subscribe(topic);
  await followed.ready;
  await until(() => told.length === 1);
  expect(told[0]).toMatchObject({ event: "join", connections: 1 });
  expect(await watching.presence(topic)).toMatchObject({ connections: 1, anonymous: 1 });
  followed.close();
  // Told a while later: who is back by then was never away.
  await until(() => told.length === 2);
  expect(told[1]).toMatchObject({ event: "leave", connections: 0 });
  expect((await watching.presence(topic)).connections).toBe(0);
  await expect(watching.presence("gauges/heat")).rejects.toMatchObject({ status: 404 });
});
