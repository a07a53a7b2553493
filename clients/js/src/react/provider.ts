/** The client that the hooks below use, handed down by React's context. */

import { createContext, createElement, type ReactElement, type ReactNode, useContext } from "react";
import type { AnyApi, Api, Client } from "../types.js";

const ClientContext = /* @__PURE__ */ createContext<Client | null>(null);

/** What {@link RingbackProvider} takes. */
export interface RingbackProviderProps<A extends Api = AnyApi> {
  /** Made once, outside of components: `const client = connect()`. */
  client: Client<A>;
  children?: ReactNode;
}

/**
 * Gives a client to all hooks below it. It neither connects nor closes: the client connects when
 * something is followed, and belongs to whoever made it.
 */
export function RingbackProvider<A extends Api = AnyApi>(
  props: RingbackProviderProps<A>,
): ReactElement {
  // A context has one type; `useClient` gives back what its caller says.
  const value = props.client as unknown as Client;
  return createElement(ClientContext.Provider, { value }, props.children);
}

/** The client of the nearest {@link RingbackProvider}. Throws where there is none. */
export function useClient<A extends Api = AnyApi>(): Client<A> {
  const client = useContext(ClientContext);
  if (client === null) {
    throw new Error(
      "A hook of ringback/react was used outside of <RingbackProvider>. " +
        "Cure: put <RingbackProvider client={connect()}> around what uses it",
    );
  }
  return client as unknown as Client<A>;
}

/** The client, where it is known only later whether one is needed. */
export function useClientIfAny(): Client | null {
  return useContext(ClientContext);
}
