/** What follows topics for the page. */

import { call } from "./call.js";
import { asError, closed, type RingbackError } from "./errors.js";
import { isPath, literal, matcher } from "./filters.js";
import type { Link } from "./link.js";
import { Queue } from "./queue.js";
import type { Entry } from "./resume.js";
import type { Message, Position, SubscribeOptions, Subscription } from "./types.js";

/** Follow topics until the subscription is closed, or the server ends it. */
export function subscribe<D>(
  link: Link,
  filter: string,
  handler: ((message: Message<D>) => void) | undefined,
  options: SubscribeOptions,
): Subscription<D> {
  const { after, signal, onGap, onCurrent, onError } = options;
  const queues = new Set<Queue<Message<D>>>();
  const forget = (queue: Queue<Message<D>>): unknown => queues.delete(queue);
  // Without a handler it will be iterated: what comes before that waits for it.
  let early = handler ? null : new Queue<Message<D>>(forget);
  if (early) queues.add(early);
  let over = false;
  let failed: RingbackError | null = null;
  let confirm = (): void => {};
  let refuse = (_: RingbackError): void => {};
  const ready = new Promise<void>((resolve, reject) => {
    confirm = resolve;
    refuse = reject;
  });
  ready.catch(() => {}); // Whoever does not look at it need not handle it.

  const stands = (): Position | null => {
    const position = link.positions.of(entry);
    return position === "earliest" ? null : position;
  };
  const end = (error: RingbackError | null): void => {
    if (over) return;
    over = true;
    failed = error;
    // Where it stands from now on, wherever the others go.
    entry.at = link.positions.of(entry);
    entry.joined = false;
    signal?.removeEventListener("abort", close);
    refuse(error ?? closed());
    for (const queue of [...queues]) queue.end(error);
    queues.clear();
    if (error) call(onError, error);
  };
  const close = (): void => {
    end(null);
    link.remove(entry);
  };
  const entry: Entry = {
    filter,
    token: undefined,
    at: after ?? null,
    known: false,
    wired: false,
    joined: false,
    fits: matcher(filter),
    take({ topic, position, at, data }) {
      if (over) return;
      const message = { topic, position: position ?? null, at, data: data as D };
      for (const queue of queues) queue.push(message);
      call(handler, message);
    },
    stands() {},
    gap: (gap) => over || call(onGap, gap),
    confirmed: () => confirm(),
    current: () => over || call(onCurrent, stands()),
    end,
  };
  signal?.addEventListener("abort", close);
  if (signal?.aborted) close();
  else if (isPath(filter)) {
    import("./patterns.js").then(
      ({ pathMatcher }) => {
        entry.fits = pathMatcher(filter, literal);
        if (!over) link.add(entry);
      },
      (error: unknown) => end(asError(error)),
    );
  } else link.add(entry);
  return {
    filter,
    ready,
    get position() {
      return stands();
    },
    close,
    [Symbol.asyncIterator]() {
      const queue = early ?? new Queue<Message<D>>(forget);
      early = null;
      if (over) queue.end(failed);
      else queues.add(queue);
      return queue;
    },
  };
}
