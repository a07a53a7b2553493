/** Messages of topics. */

import { useEffect, useMemo, useState, useSyncExternalStore } from "react";
import type { RingbackError } from "../errors.js";
import type { Client, Gap, Message, Position } from "../types.js";
import { Feed, type FeedOptions } from "./feed.js";
import { useLatest } from "./latest.js";
import { useClient } from "./provider.js";

/** How many messages a component keeps unless it says another number. */
const LIMIT = 100;

/** One filter, several, or nothing for now. */
export type Filters<F extends string = string> = F | readonly F[] | null | undefined;

/** What all forms of {@link useTopic} may be told. All but `after` may change in every render. */
export interface TopicCommon<D = unknown> {
  /**
   * Everything after this position, as far as it is kept; `earliest`: all of it. Else from now.
   * It counts for filters that are opened; those that are open go on.
   */
  after?: Position | "earliest" | undefined;
  /** Called once for each message, after it was kept; not while rendering. */
  onMessage?: ((message: Message<D>) => void) | undefined;
  /** Messages were lost: load anew what they told about. */
  onGap?: ((gap: Gap) => void) | undefined;
}

/** Options of {@link useTopic} that keeps messages. */
export interface TopicOptions<D = unknown> extends TopicCommon<D> {
  /**
   * How many of the last messages to keep, 100 unless set. With 0 nothing is kept and nothing
   * rendered: for `onMessage` alone.
   */
  limit?: number | undefined;
  /** Of messages with the same key only the last is kept. */
  key?: ((message: Message<D>) => unknown) | undefined;
  /** What there is before the first message comes: from the page's loader, for example. */
  initial?: readonly Message<D>[] | undefined;
  reduce?: undefined;
}

/** Options of {@link useTopic} that makes one value of the messages. */
export interface TopicReduceOptions<D, S> extends TopicCommon<D> {
  /**
   * Makes the next state of a message. Must not change the state it is given; what it gives back
   * is all that is kept, so let it bound that.
   */
  reduce: (state: S, message: Message<D>) => S;
  /** The state before the first message. */
  initial: S;
}

/** What {@link useTopic} gives in both forms. The same object while nothing changes. */
export interface TopicStatus<D = unknown> {
  /** The last message. */
  readonly latest: Message<D> | null;
  /** The server has confirmed all of the filters. */
  readonly ready: boolean;
  /** What was missed has come, and all messages come live. */
  readonly current: boolean;
  /** The last gap: messages up to its position are lost. */
  readonly gap: Gap | null;
  /** Why a filter was refused or taken back; the others go on. */
  readonly error: RingbackError | null;
  /** Ask again for what was refused. */
  retry(): void;
}

/** What {@link useTopic} gives. */
export interface TopicView<D = unknown> extends TopicStatus<D> {
  /** The last messages, oldest first. */
  readonly messages: readonly Message<D>[];
}

/** What {@link useTopic} gives with `reduce`. */
export interface TopicState<D, S> extends TopicStatus<D> {
  /** What `reduce` made of all messages. */
  readonly state: S;
}

interface Following<D, S> {
  readonly client: Client;
  readonly filters: readonly string[];
  readonly feed: Feed<D, S>;
}

const NO_MESSAGES: readonly never[] = Object.freeze([]);

/**
 * Follow topics by one filter or several; null: none for now. When the filters change, those that
 * stay go on undisturbed: messages of those that go are dropped, and with `reduce` the state stays
 * as long as one filter stays, else it begins anew with `initial`. A message that fits several of
 * the filters comes once.
 */
export function useTopic<D = unknown>(filter: Filters, options?: TopicOptions<D>): TopicView<D>;
export function useTopic<D, S>(
  filter: Filters,
  options: TopicReduceOptions<D, S>,
): TopicState<D, S>;
export function useTopic<D, S>(
  filter: Filters,
  options: TopicOptions<D> | TopicReduceOptions<D, S> = {},
): TopicView<D> & TopicState<D, S> {
  const client = useClient();
  const { limit = LIMIT } = options as TopicOptions<D>;
  const latest = useLatest({ ...options, limit } as FeedOptions<D, S>);
  const wanted = JSON.stringify(
    filter == null ? [] : typeof filter === "string" ? [filter] : [...new Set(filter)].sort(),
  );
  const begin = (filters: readonly string[]): Following<D, S> => {
    const [state, messages] = options.reduce
      ? [options.initial, NO_MESSAGES]
      : [undefined as S, options.initial ?? NO_MESSAGES];
    return { client, filters, feed: new Feed(client, latest, state, messages) };
  };
  const [held, hold] = useState(() => begin(JSON.parse(wanted)));
  let following = held;
  if (held.client !== client || JSON.stringify(held.filters) !== wanted) {
    // Decided while rendering, so that no message of one room is ever shown in another.
    const filters: readonly string[] = JSON.parse(wanted);
    const stays = held.client === client && filters.some((each) => held.filters.includes(each));
    following = stays ? { ...held, filters } : begin(filters);
    hold(following);
  }
  const { feed, filters } = following;
  // Before the effect in which the store is listened to: it opens what is to be followed.
  useEffect(() => feed.follow(filters), [feed, filters]);
  const view = useSyncExternalStore(feed.listen, feed.get, () => feed.first);
  return useMemo(() => ({ ...view, retry: feed.retry }), [view, feed]);
}
