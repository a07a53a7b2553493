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
  /** Those that have brought it: more than one where filters overlap. */
  readonly lines: Line<D>[];
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
  /** By position and topic, the lines that have brought it. */
  readonly #seen = new Map<string, Line<D>[]>();
  /** The last one that is not kept. */
  #passing: Held<D> | null = null;

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
    this.#held = messages.map((message) => ({ message, lines: [line] }));
    for (const { message, lines } of this.#held) this.#remember(message, lines);
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
    if (gone.size) this.#drop(gone);
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
    // One that ends while it is made says so by its `ready`.
    let made: Subscription<D> | null = null;
    const mine = (): boolean => made !== null && line.subscription === made;
    const ended = (error: RingbackError): void => {
      if (!mine()) return;
      line.position = made?.position ?? line.position;
      line.subscription = null;
      Object.assign(line, { error, ready: false, current: false });
      this.#tell();
    };
    made = this.#client.subscribe<D>(filter, (message) => mine() && this.#take(message, line), {
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
    });
    line.subscription = made;
    made.ready.then(() => {
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
    const before = this.#before(message, line);
    if (before) {
      if (!before.includes(line)) before.push(line);
      return;
    }
    const lines = [line];
    this.#remember(message, lines);
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
      this.#held.push({ message, lines });
      if (this.#held.length > limit) this.#held.splice(0, this.#held.length - limit);
      this.#latest = message;
      this.#tell();
    }
    onMessage?.(message);
  }

  /** The lines that have brought it before, if any have: their filters overlap. */
  #before(message: Message<D>, line: Line<D>): Line<D>[] | undefined {
    const { topic, position, at, data } = message;
    if (position !== null) return this.#seen.get(markOf(message));
    // One that is not kept comes once, and to all lines that it fits before the next one does.
    const { message: last, lines } = this.#passing ?? {};
    const same = last?.topic === topic && last.at === at && Object.is(last.data, data);
    return same && !lines?.includes(line) ? lines : undefined;
  }

  #remember(message: Message<D>, lines: Line<D>[]): void {
    if (message.position === null) {
      this.#passing = { message, lines };
      return;
    }
    this.#seen.set(markOf(message), lines);
    const [oldest] = this.#seen.keys();
    if (this.#seen.size > REMEMBERED && oldest) this.#seen.delete(oldest);
  }

  /** Drop what these alone have brought: it may come again, by a filter that comes back. */
  #drop(gone: ReadonlySet<Line<D>>): void {
    const latest = this.#held.at(-1)?.message;
    this.#held = this.#held.filter(({ message, lines }) => {
      const stay = lines.filter((line) => !gone.has(line));
      lines.splice(0, lines.length, ...stay);
      if (!stay.length) this.#seen.delete(markOf(message));
      return stay.length > 0;
    });
    if (latest === this.#latest) this.#latest = this.#held.at(-1)?.message ?? null;
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

function markOf({ topic, position }: Message): string {
  return `${position} ${topic}`;
}
