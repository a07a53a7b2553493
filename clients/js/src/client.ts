/** The client: what a page works with. */

import { asError } from "./errors.js";
import { Http } from "./http.js";
import { freshKey } from "./key.js";
import { kit } from "./kit.js";
import { Link } from "./link.js";
import { FollowedOperation } from "./operation.js";
import { subscribe } from "./subscription.js";
import type { Tabs } from "./tabs.js";
import { Tokens } from "./tokens.js";
import type { Context, Transport } from "./transport.js";
import type {
  AnyApi,
  Api,
  Client,
  Message,
  OperationState,
  Options,
  Presence,
  Published,
  SubscribeOptions,
  TransportName,
  Upload,
  UploadOptions,
} from "./types.js";
import { WebSocketTransport } from "./websocket.js";

const ALL: readonly TransportName[] = ["websocket", "sse", "long-polling", "polling"];

/** One that is loaded when it is needed, as most pages never do. */
function later(context: Context, loading: Promise<Transport>): Transport {
  let transport: Transport | null = null;
  let closed = false;
  loading.then(
    (loaded) => {
      transport = loaded;
      if (closed) loaded.close();
    },
    (error: unknown) => context.down({ error: asError(error) }),
  );
  return {
    start: () => transport?.start(),
    change: () => transport?.change(),
    check: () => transport?.check(),
    renewed: () => transport?.renewed(),
    close() {
      closed = true;
      transport?.close();
    },
  };
}

function make(name: TransportName, context: Context): Transport {
  if (name === "websocket") return new WebSocketTransport(context);
  return later(
    context,
    import("./fallback.js").then((m) => m.fallback(name, context)),
  );
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
  const root = origin + pathname.replace(/\/?$/, "/");
  // Told of by what it does things with.
  const tools = { ...options };
  const tapped =
    options.onTraffic &&
    import("./traffic.js").then(({ tap }) => Object.assign(tools, tap(options, root)));
  const http = new Http(root, tokens, tools, tapped);
  const able = (names: readonly TransportName[]): TransportName[] =>
    names.filter((name) => name !== "websocket" || options.WebSocket || globalThis.WebSocket);
  let tabs: Promise<Pick<Tabs, "transport" | "close">> | undefined;
  const link = new Link(http, tools, able(options.transports ?? ALL), (name, context) => {
    const direct = (): Transport =>
      tapped
        ? later(
            context,
            tapped.then(() => make(name, context)),
          )
        : make(name, context);
    if (!options.share) return direct();
    tabs ??= import("./tabs.js").then((m) => m.tabs(kit, link, http.url));
    return later(
      context,
      tabs.then((all) => all.transport(context, direct)),
    );
  });

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
      const headers = { "Idempotency-Key": JSON.stringify(idempotencyKey ?? freshKey()) };
      const request = { method: "POST", json: input ?? {}, headers, signal };
      type Accepted = OperationState<never, never> & { token: string };
      const { token, ...state } = (await http.persist<Accepted>(path, request)).data;
      return new FollowedOperation<never, never>(link, http, state.id).accept(state, token);
    },
    follow: <R, P>(id: string, token?: string) =>
      new FollowedOperation<R, P>(link, http, id, token).follow(),
    subscribe: <D>(
      filter: string,
      handler?: (message: Message<D>) => void,
      choices: SubscribeOptions = {},
    ) => subscribe<D>(link, filter, handler, choices),
    async publish(topic, data) {
      const path = `topics/${topic.split("/").map(encodeURIComponent).join("/")}`;
      const request = { method: "POST", json: data ?? null };
      return (await http.request<Published>(path, request)).data;
    },
    async presence(topic) {
      const path = `presence/${topic.split("/").map(encodeURIComponent).join("/")}`;
      return (await http.request<Presence>(path)).data;
    },
    upload<R, P>(file: Blob, choices: UploadOptions = {}) {
      const { id = "", token } = choices.resume ?? {};
      const operation = Object.assign(new FollowedOperation<R, P>(link, http, id, token), {
        sent: 0,
        size: file.size,
      });
      const uploaded = import("./upload.js").then(({ upload }) =>
        upload(kit, http, operation, file, choices, options.onTraffic),
      );
      uploaded.catch(() => {}); // The operation has it, too.
      return Object.assign(operation, { uploaded }) as Upload<R, P>;
    },
    use: (names) => link.use(able(names)),
    setToken(token) {
      tokens.set(token);
      link.renewed();
    },
    close() {
      http.close();
      link.close();
      void tabs?.then((all) => all.close());
    },
  };
}
