/** The client: what a page works with. */

import { Http, persist } from "./http.js";
import { Link } from "./link.js";
import { FollowedOperation } from "./operation.js";
import { PollTransport } from "./poll.js";
import { SseTransport } from "./sse.js";
import { subscribe } from "./subscription.js";
import { Tokens } from "./tokens.js";
import type { Context, Transport } from "./transport.js";
import type {
  AnyApi,
  Api,
  Client,
  OperationState,
  Options,
  Presence,
  Published,
  TransportName,
} from "./types.js";
import { WebSocketTransport } from "./websocket.js";

const ALL: readonly TransportName[] = ["websocket", "sse", "long-polling", "polling"];

function make(name: TransportName, context: Context): Transport {
  if (name === "websocket") return new WebSocketTransport(context);
  return name === "sse" ? new SseTransport(context) : new PollTransport(context, name);
}

/** 128 random bits. (`randomUUID` is not there on pages without TLS.) */
export function freshKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * A client of the server whose application is mounted at `url`: the root of the page's own origin
 * unless given. Nothing is sent before something is submitted or followed.
 */
export function connect<A extends Api = AnyApi>(
  url: string | URL = "/",
  options: Options = {},
): Client<A> {
  const base = new URL(url, globalThis.location?.href ?? "http://localhost");
  const { origin, pathname } = base;
  const tokens = new Tokens(options);
  const http = new Http(origin + pathname.replace(/\/?$/, "/"), tokens, options);
  const able = (names: readonly TransportName[]): TransportName[] =>
    names.filter((name) => name !== "websocket" || options.WebSocket || globalThis.WebSocket);
  const link = new Link(http, options, able(options.transports ?? ALL), make);

  return {
    url: http.url,
    get connection() {
      return link.connection;
    },
    onConnection(listener) {
      link.listeners.add(listener);
      return () => link.listeners.delete(listener);
    },
    async submit(task, input, { idempotencyKey, signal, startAt, delay } = {}) {
      const query = new URLSearchParams();
      if (startAt) query.set("start_at", startAt.toISOString());
      if (delay !== undefined) query.set("delay", String(delay));
      const path = `tasks/${encodeURIComponent(task)}${query.size ? `?${query}` : ""}`;
      const headers = { "Idempotency-Key": `"${idempotencyKey ?? freshKey()}"` };
      const request = { method: "POST", json: input ?? {}, headers, signal };
      type Accepted = OperationState<never, never> & { token: string };
      const answer = await persist(() => http.request<Accepted>(path, request), signal);
      const { token, ...state } = answer.data;
      return new FollowedOperation<never, never>(link, http, state.id).accept(state, token);
    },
    follow: <R, P>(id: string, token?: string) =>
      new FollowedOperation<R, P>(link, http, id, token).follow(),
    subscribe: (filter, handler, choices = {}) => subscribe(link, filter, handler, choices),
    async publish(topic, data) {
      const path = `topics/${topic.split("/").map(encodeURIComponent).join("/")}`;
      const request = { method: "POST", json: data ?? null };
      return (await http.request<Published>(path, request)).data;
    },
    async presence(topic) {
      const path = `presence/${topic.split("/").map(encodeURIComponent).join("/")}`;
      return (await http.request<Presence>(path)).data;
    },
    upload() {
      throw new Error("Not yet.");
    },
    use: (names) => link.use(able(names)),
    setToken(token) {
      tokens.set(token);
      link.renewed();
    },
    close: () => link.close(),
  };
}
