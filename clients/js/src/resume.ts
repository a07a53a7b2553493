/**
 * Where everything that is followed stands: the rules of docs/protocol.md, "Resuming", for all
 * transports. Nothing here knows of connections or time.
 */

import type { RingbackError } from "./errors.js";
import { beyond, higher, OPERATIONS } from "./positions.js";
import type { Gap } from "./types.js";

/** A message as it comes over any transport. */
export interface Incoming {
  readonly topic: string;
  readonly position?: string | null;
  readonly at: string;
  readonly data: unknown;
  /** Of operations: `status`, `progress`, `part`. */
  readonly kind?: string;
}

/** One thing that somebody follows. Several may be of the same filter. */
export interface Entry {
  readonly filter: string;
  /** An operation's own token. */
  readonly token: string | undefined;
  /**
   * A position of its own: after which it is to go on (`earliest` too), null: from now. Once it is
   * joined: null, or up to where it had what comes for all.
   */
  at: string | null;
  /** The server has confirmed it once. */
  known: boolean;
  /** The connection knows of it: what comes with its filter is for it. */
  wired: boolean;
  /** The connection was asked for it from now on: perhaps it has not confirmed it. */
  asked?: boolean;
  /** It is current: what comes for all is for it, too. */
  joined: boolean;
  fits(topic: string): boolean;
  take(message: Incoming): void;
  /** An operation as it stands. */
  stands(data: unknown): void;
  gap(gap: Gap): unknown;
  /** The server knows of it. */
  confirmed(): unknown;
  /** It has all that was missed. */
  current(): unknown;
  /** It is over. */
  end(error: RingbackError | null): void;
}

/** Whether an entry follows an operation: those have positions of their own, always. */
export function isOperation(entry: { readonly filter: string }): boolean {
  return entry.filter.startsWith(OPERATIONS);
}

/** All entries, and the one position of those that are current. */
export class Positions {
  /** Up to here the current ones have everything; null: nobody is current. */
  live: string | null = null;
  readonly entries = new Set<Entry>();

  /** After which an entry would go on if the connection were lost now. */
  of(entry: Entry): string | null {
    return entry.joined ? (entry.at ?? this.live) : entry.at;
  }

  /** The connection is lost: each keeps, as its own, the position that counted for it. */
  lost(): void {
    for (const entry of this.entries) {
      entry.at = this.of(entry);
      entry.joined = entry.wired = entry.asked = false;
    }
    this.live = null;
  }

  /** Those of one filter of which the connection knows, or `asked`: perhaps will know. */
  wired(filter: string, asked?: boolean): Entry[] {
    return [...this.entries].filter(
      (entry) => (entry.wired || (asked && entry.asked)) && entry.filter === filter,
    );
  }

  /** A subscription is confirmed; `now`: it was asked for without a position. */
  reply(entries: readonly Entry[], position: string, now: boolean): void {
    const those = entries.filter((entry) => this.entries.has(entry));
    for (const entry of those) {
      entry.wired = true;
      if (!now) entry.at = position;
      // An operation stands nowhere before its snapshot: cut off until then, it is asked for anew.
      else if (!isOperation(entry)) this.join(entry, position);
    }
    // Whoever is told may change the transport, after which none of them is wired.
    for (const entry of those) {
      this.confirm(entry);
      if (entry.joined) entry.current();
    }
  }

  /** The server will have it. */
  confirm(entry: Entry): void {
    if (entry.known) return;
    entry.known = true;
    entry.confirmed();
  }

  /** A replay has ended. */
  current(filter: string, position: string): void {
    const those = this.wired(filter).filter((entry) => !entry.joined && entry.at);
    for (const entry of those) this.join(entry, position);
    for (const entry of those) entry.current();
  }

  /** One is current, with all others: it has everything up to a position. */
  join(entry: Entry, position: string): void {
    this.#advance(position);
    entry.joined = entry.wired = true;
    entry.at = null;
  }

  #advance(position: string): boolean {
    if (this.live && !higher(position, this.live)) return false;
    this.live = position;
    return true;
  }

  /** A message: with `filter` of a replay, else for all that it fits. Returns whether it was new. */
  message(message: Incoming, filter?: string | null): boolean {
    const { topic, position } = message;
    if (topic.startsWith(OPERATIONS)) return this.#own(topic, message);
    if (filter) return this.#own(filter, message);
    if (position && !this.#advance(position)) return false;
    // Decided for all first: who takes it may change the transport, and then nobody is joined.
    const those = [...this.entries].filter(
      (entry) => entry.joined && !this.#had(entry, position) && entry.fits(topic),
    );
    for (const entry of those) entry.take(message);
    return true;
  }

  /** Whether an entry was further than the others; not any more, once they have come as far. */
  #had(entry: Entry, position: string | null | undefined): boolean {
    if (!entry.at || !position) return false;
    if (!higher(position, entry.at)) return true;
    entry.at = null;
    return false;
  }

  #own(filter: string, message: Incoming): boolean {
    const { position } = message;
    let fresh = false;
    for (const entry of this.wired(filter, true)) {
      // Before the reply to who asked from now on come last values: older, and they move nothing.
      if (entry.at && !entry.joined && position) {
        if (!higher(position, entry.at)) continue;
        entry.at = position;
      }
      fresh = true;
      entry.take(message);
    }
    return fresh;
  }

  /** Nothing more is to come up to here. */
  mark(position: string): void {
    if (!this.#advance(position)) return;
    for (const entry of this.entries) if (entry.joined) this.#had(entry, position);
  }

  /** Messages up to a position are lost: to those of a filter, or to all that are current. */
  gap(gap: Gap, filter?: string | null): void {
    const { position, topics } = gap;
    const those = (filter ? this.wired(filter, true) : [...this.entries]).filter((entry) => {
      // An operation's snapshot comes behind it, and moves it then.
      if (isOperation(entry) || (!filter && !entry.joined)) return false;
      if (position && !entry.joined) entry.at &&= position;
      else if (this.#had(entry, position)) return false;
      return filter || !topics?.length || topics.some(entry.fits);
    });
    const moves = !filter || this.wired(filter).some((entry) => entry.joined);
    if (moves && position) this.#advance(position);
    for (const entry of those) entry.gap(gap);
  }

  /** An operation as it stands. */
  snapshot(topic: string, position: string, data: unknown): void {
    for (const entry of this.wired(topic)) this.stands(entry, position, data);
  }

  /** The same for one that follows it; what is older than what it knows is passed over. */
  stands(entry: Entry, position: string, data: unknown): void {
    if (entry.at && beyond(entry.at, position)) return;
    entry.at = position;
    entry.stands(data);
  }

  /** These are over. */
  end(which: Iterable<Entry>, error: RingbackError | null): void {
    for (const entry of [...which]) {
      if (this.entries.delete(entry)) entry.end(error);
    }
  }
}
