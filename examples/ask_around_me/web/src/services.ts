/** What the page is made of beneath its views: one of each, handed down by React's context. */

import { createContext, useContext, useSyncExternalStore } from "react";
import { type Client, connect, type Traffic, type TransportName } from "ringback";
import { Api } from "./api.js";
import { Network } from "./network.js";
import { Outbox } from "./outbox.js";
import { SignIn } from "./session.js";
import { keep, recall } from "./state/kept.js";
import { Store } from "./state/store.js";
import { heard, SILENCE, type Wire } from "./state/traffic.js";
import type { AskApi, Config } from "./types.js";
import { Uploads } from "./uploads.js";

export interface Services {
  readonly config: Config;
  readonly api: Api;
  readonly client: Client<AskApi>;
  readonly signIn: SignIn;
  readonly network: Network;
  readonly outbox: Outbox;
  readonly uploads: Uploads;
  readonly wire: Store<Wire>;
  /** Which transport was chosen in the panel; null: the best that works. */
  readonly forced: Store<TransportName | null>;
  /** What a screen reader says next, when it is free. */
  readonly notice: Store<string>;
}

export const ALL: readonly TransportName[] = ["websocket", "sse", "long-polling", "polling"];

/** Read the server's configuration, and make everything that lives as long as the page. */
export async function begin(): Promise<Services> {
  const network = new Network();
  const wire = new Store<Wire>(SILENCE);
  const onTraffic = collector(wire);
  const api = new Api(network.fetch, onTraffic);
  const config = await api.config();
  const signIn = new SignIn(api);
  const forced = new Store(recall("transport", transportOf) ?? null);
  const first = forced.get();
  const client = connect<AskApi>("/", {
    getToken: signIn.next,
    onTraffic,
    transports: first === null ? ALL : [first],
    fetch: network.fetch,
    WebSocket: network.WebSocket,
    webSocketUrl: config.web_socket ?? undefined,
    // The demo's tabs each have a wire of their own to look at, and to cut.
    share: config.demo === null,
  });
  forced.subscribe(() => {
    const transport = forced.get();
    keep("transport", transport ?? undefined);
    client.use(transport === null ? ALL : [transport]);
  });
  const outbox = new Outbox(client);
  const uploads = new Uploads(client);
  return {
    ...{ config, api, client, signIn, network, outbox, uploads, wire, forced },
    notice: new Store(""),
  };
}

function transportOf(value: unknown): TransportName | undefined {
  return ALL.find((each) => each === value);
}

/** Puts traffic into the store, at most once for each frame: hundreds may come at a time. */
function collector(wire: Store<Wire>): (traffic: Traffic) => void {
  let news: Traffic[] = [];
  const flush = (): void => {
    const all = news;
    news = [];
    wire.update((before) => heard(before, all));
  };
  return (traffic) => {
    news.push(traffic);
    // No frames come while the page is hidden, and a timer does.
    if (news.length === 1) setTimeout(flush, FRAME);
  };
}

/** Milliseconds. */
const FRAME = 50;

const Context = createContext<Services | null>(null);
export const ServicesProvider = Context.Provider;

export function useServices(): Services {
  const services = useContext(Context);
  if (services === null) throw new Error("useServices needs a <ServicesProvider> around it");
  return services;
}

/** What a store holds. */
export function useStore<T>(store: Store<T>): T {
  return useSyncExternalStore(store.subscribe, store.get);
}

/** Say something to screen readers, politely. */
export function useAnnounce(): (text: string) => void {
  const { notice } = useServices();
  return notice.set.bind(notice);
}
