/**
 * What is kept of the topics that a component follows: opens and closes subscriptions as filters
 * come and go, and makes one immutable view of what they bring. Knows nothing of React.
 */

import type { RingbackError } from "../errors.js";
import type { Client, Gap, Message, Position, Subscription } from "../types.js";

/** Which messages were handed on, where filters may overlap: more than are in flight at a time. */
const REMEMBERED = 4096;

/** What a feed asks of its owner; read at each use, so that it may change. */
export interface FeedOptions<D, S> {
  after?: Position | "earliest" | undefined;
  limit: number;
  key?: ((message: Message<D>) => unknown) | undefined;
  reduce?: ((state: S, message: Message<D>) => S) | undefined;
  onMessage?: ((message: Message<D>) => void) | undefined;
  onGap?: ((gap: Gap) => void) | undefined;
}

/** What a feed shows. */
export interface FeedView<D, S> {
  readonly messages: readonly Message<D>[];
  readonly latest: Message<D> | null;
  readonly state: S;
  readonly ready: boolean;
  readonly current: boolean;
  readonly gap: Gap | null;
  readonly error: RingbackError | null;
}

interface Line<D> {
  subscription: Subscription<D> | null;
  /** Where to go on, when it was closed and is opened again. */
  position: Position | null;
  ready: boolean;
  current: boolean;
  error: RingbackError | null;
}

interface Held<D> {
  readonly message: Message<D>;
  readonly line: Line<D>;
}

export class Feed<D, S> {
  readonly #client: Client;
  readonly #options: { readonly current: FeedOptions<D, S> };
  readonly #lines = new Map<string, Line<D>>();
  #listener: (() => void) | null = null;
  #held: Held<D>[] = [];
  #state: S;
  #latest: Message<D> | null = null;
  #gap: Gap | null = null;
  #view: FeedView<D, S>;
  /** What it shows before anything is followed: on a server too. */
  readonly first: FeedView<D, S>;
  #changed = false;
  readonly #seen = new Set<string>();
  /** The last one that is not kept, and which lines have brought it. */
  #passing: { message: Message<D>; lines: Set<Line<D>> } | null = null;

  constructor(
    client: Client,
    options: { readonly current: FeedOptions<D, S> },
    state: S,
    messages: readonly Message<D>[],
  ) {
    this.#client = client;
    this.#options = options;
    this.#state = state;
    // What the page began with belongs to no line: it stays until it is pushed out.
    const line = { subscription: null, position: null, ready: true, current: true, error: null };
    this.#held = messages.map((message) => ({ message, line }));
    this.#latest = messages.at(-1) ?? null;
    this.first = this.#view = this.#look();
  }

  /** For `useSyncExternalStore`: open while somebody listens. */
  readonly listen = (listener: () => void): (() => void) => {
    this.#listener = listener;
    for (const [filter, line] of this.#lines) this.#open(filter, line);
    return () => {
      this.#listener = null;
      for (const line of this.#lines.values()) this.#close(line);
    };
  };

  readonly get = (): FeedView<D, S> => {
    if (this.#changed) {
      this.#changed = false;
      this.#view = this.#look();
    }
    return this.#view;
  };

  /** Follow these filters, and no others. What came by those that go, goes with them. */
  follow(filters: readonly string[]): void {
    const wanted = new Set(filters);
    const gone = new Set<Line<D>>();
    for (const [filter, line] of this.#lines) {
      if (wanted.has(filter)) continue;
      this.#close(line);
      this.#lines.delete(filter);
      gone.add(line);
    }
    let more = false;
    for (const filter of wanted) {
      if (this.#lines.has(filter)) continue;
      const line = {
        subscription: null,
        position: null,
        ready: false,
        current: false,
        error: null,
      };
      this.#lines.set(filter, line);
      if (this.#listener) this.#open(filter, line);
      more = true;
    }
    if (gone.size) this.#held = this.#held.filter(({ line }) => !gone.has(line));
    if (gone.size || more) this.#tell();
  }

  /** Ask again for what was refused or taken back. */
  readonly retry = (): void => {
    for (const [filter, line] of this.#lines) {
      if (!line.error) continue;
      line.error = null;
      if (this.#listener) this.#open(filter, line);
    }
    this.#tell();
  };

  #open(filter: string, line: Line<D>): void {
    if (line.error) return;
    const mine = (): boolean => line.subscription === subscription;
    const ended = (error: RingbackError): void => {
      if (!mine()) return;
      line.position = subscription.position ?? line.position;
      line.subscription = null;
      Object.assign(line, { error, ready: false, current: false });
      this.#tell();
    };
    const subscription: Subscription<D> = this.#client.subscribe<D>(
      filter,
      (message) => mine() && this.#take(message, line),
      {
        after: line.position ?? this.#options.current.after,
        onGap: (gap) => {
          if (!mine()) return;
          this.#gap = gap;
          this.#tell();
          this.#options.current.onGap?.(gap);
        },
        onCurrent: () => {
          if (!mine() || line.current) return;
          line.current = true;
          this.#tell();
        },
        onError: ended,
      },
    );
    line.subscription = subscription;
    subscription.ready.then(() => {
      if (!mine() || line.ready) return;
      line.ready = true;
      this.#tell();
    }, ended);
  }

  #close(line: Line<D>): void {
    const { subscription } = line;
    if (!subscription) return;
    line.position = subscription.position ?? line.position;
    line.subscription = null;
    line.ready = false;
    line.current = false;
    subscription.close();
  }

  #take(message: Message<D>, line: Line<D>): void {
    if (this.#lines.size > 1 && this.#again(message, line)) return;
    const { limit, key, reduce, onMessage } = this.#options.current;
    if (reduce) {
      const state = reduce(this.#state, message);
      if (state !== this.#state) {
        this.#state = state;
        this.#latest = message;
        this.#tell();
      }
    } else if (limit > 0) {
      const mark = key?.(message);
      if (key) this.#held = this.#held.filter((held) => key(held.message) !== mark);
      this.#held.push({ message, line });
      if (this.#held.length > limit) this.#held.splice(0, this.#held.length - limit);
      this.#latest = message;
      this.#tell();
    }
    onMessage?.(message);
  }

  /** Whether another filter of these has brought it before. */
  #again(message: Message<D>, line: Line<D>): boolean {
    const { topic, position } = message;
    if (position === null) return this.#passes(message, line);
    const mark = `${position} ${topic}`;
    if (this.#seen.has(mark)) return true;
    this.#seen.add(mark);
    const [oldest] = this.#seen;
    if (this.#seen.size > REMEMBERED && oldest) this.#seen.delete(oldest);
    return false;
  }

  /** One that is not kept comes once, and to all lines that it fits before the next one does. */
  #passes(message: Message<D>, line: Line<D>): boolean {
    const { topic, at, data } = message;
    const before = this.#passing?.message;
    const same = before?.topic === topic && before.at === at && Object.is(before.data, data);
    if (same && !this.#passing?.lines.has(line)) {
      this.#passing?.lines.add(line);
      return true;
    }
    this.#passing = { message, lines: new Set([line]) };
    return false;
  }

  #tell(): void {
    this.#changed = true;
    this.#listener?.();
  }

  #look(): FeedView<D, S> {
    const lines = [...this.#lines.values()];
    return Object.freeze({
      messages: Object.freeze(this.#held.map(({ message }) => message)),
      latest: this.#latest,
      state: this.#state,
      ready: lines.length > 0 && lines.every((line) => line.ready),
      current: lines.length > 0 && lines.every((line) => line.current),
      gap: this.#gap,
      error: lines.find((line) => line.error)?.error ?? null,
    });
  }
}
