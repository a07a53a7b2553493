/** How the connection is. */

import { useMemo, useSyncExternalStore } from "react";
import type { Connection } from "../types.js";
import { useClient } from "./provider.js";

/** On a server nothing is connected, and the page's first render has to be the same. */
const SERVER: Connection = Object.freeze({
  status: "idle",
  transport: null,
  retryAt: null,
  error: null,
});

/** The state of the client's connection. Opens none: it is `idle` until something is followed. */
export function useConnection(): Connection {
  const client = useClient();
  const [subscribe, now] = useMemo(
    () =>
      [(listener: () => void) => client.onConnection(listener), () => client.connection] as const,
    [client],
  );
  return useSyncExternalStore(subscribe, now, () => SERVER);
}
