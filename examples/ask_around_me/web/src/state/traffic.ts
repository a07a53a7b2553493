/** What went over the wire: the newest of it, and sums of all. Pure. */

import type { Traffic } from "ringback";

export interface Entry extends Traffic {
  /** Counts all entries from 1. */
  readonly number: number;
}

export interface Sums {
  readonly count: number;
  readonly bytes: number;
}

export interface Wire {
  /** Oldest first. */
  readonly entries: readonly Entry[];
  readonly seen: number;
  readonly sums: Readonly<Record<Traffic["transport"], { readonly out: Sums; readonly in: Sums }>>;
}

/** Entries that are kept: what one scrolls back through, and no more than a page bears. */
export const KEPT = 400;

export const TRANSPORTS = ["http", "websocket", "sse", "long-polling", "polling"] as const;

const NONE = { out: { count: 0, bytes: 0 }, in: { count: 0, bytes: 0 } };
export const SILENCE: Wire = {
  entries: [],
  seen: 0,
  sums: { http: NONE, websocket: NONE, sse: NONE, "long-polling": NONE, polling: NONE },
};

/** `wire` with what came since. */
export function heard(wire: Wire, news: readonly Traffic[]): Wire {
  const sums = { ...wire.sums };
  for (const { transport, direction, bytes } of news) {
    const before = sums[transport][direction];
    const after = { count: before.count + 1, bytes: before.bytes + bytes };
    sums[transport] = { ...sums[transport], [direction]: after };
  }
  const numbered = news.map((each, index) => ({ ...each, number: wire.seen + index + 1 }));
  return {
    entries: [...wire.entries, ...numbered].slice(-KEPT),
    seen: wire.seen + news.length,
    sums,
  };
}

export interface Sieve {
  readonly transport: Traffic["transport"] | "all";
  readonly text: string;
}

/** The entries that a sieve leaves, newest first. */
export function sift(entries: readonly Entry[], { transport, text }: Sieve): readonly Entry[] {
  const wanted = text.trim().toLowerCase();
  return entries
    .filter(
      (each) =>
        (transport === "all" || each.transport === transport) &&
        (wanted === "" ||
          each.summary.toLowerCase().includes(wanted) ||
          (each.data ?? "").toLowerCase().includes(wanted)),
    )
    .reverse();
}
