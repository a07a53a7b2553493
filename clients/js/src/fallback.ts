/** What is loaded when a WebSocket does not do: the other transports, and beginning by pages. */

import { PollTransport } from "./poll.js";
import { SseTransport } from "./sse.js";
import type { Context, Transport } from "./transport.js";
import type { TransportName } from "./types.js";

export { Pages } from "./pages.js";

/** One of the others. */
export function fallback(name: TransportName, context: Context): Transport {
  if (name === "long-polling" || name === "polling") return new PollTransport(context, name);
  return new SseTransport(context);
}
