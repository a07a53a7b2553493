/** Operations that are followed by their ids: once for all components that ask for the same. */

import type { Client, Operation } from "../types.js";

interface Entry {
  readonly operation: Operation;
  users: number;
}

const entries = /* @__PURE__ */ new WeakMap<Client, Map<string, Entry>>();

function of(client: Client): Map<string, Entry> {
  const map = entries.get(client) ?? new Map<string, Entry>();
  entries.set(client, map);
  return map;
}

/** Follow an operation, until as many times released. */
export function acquire(client: Client, id: string, token: string | undefined): Operation {
  const key = JSON.stringify([id, token]);
  const entry = of(client).get(key) ?? { operation: client.follow(id, token), users: 0 };
  of(client).set(key, entry);
  entry.users += 1;
  return entry.operation;
}

/** No longer of use to one who acquired it. */
export function release(client: Client, operation: Operation): void {
  for (const [key, entry] of of(client)) {
    if (entry.operation !== operation) continue;
    entry.users -= 1;
    // A component that React mounts twice, or another one in its place, comes back at once.
    setTimeout(() => {
      if (entry.users > 0 || of(client).get(key) !== entry) return;
      of(client).delete(key);
      operation.close();
    });
    return;
  }
}
