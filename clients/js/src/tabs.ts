/**
 * One connection for all tabs of an origin: a tab that holds a lock carries for the others, and
 * tells them over a channel. When it goes, the lock is another's, which goes on from where it
 * stands itself: every tab keeps its own positions. Loaded when it is asked for.
 */

import type { Kit } from "./kit.js";
import type { Link } from "./link.js";
import { pathMatcher } from "./patterns.js";
import type { Entry, Incoming } from "./resume.js";
import type { Context, Transport } from "./transport.js";
import type { Problem, TransportName } from "./types.js";

/** Milliseconds between signs of life of the tab that carries. */
const BEAT = 5_000;
/** Milliseconds of silence after which a tab does without: the other may be frozen. */
const SILENCE = 3 * BEAT;

/** From a tab that follows: what it wants from now on; all of it, each time. */
interface Wants {
  readonly from: string;
  readonly wants: readonly Wanted[];
}

interface Wanted {
  readonly key: number;
  readonly filter: string;
  readonly token: string | undefined;
  readonly after: string | null;
}

/** From the tab that carries, to one that follows (or, without `to`, to all). */
interface Told {
  readonly to?: string;
  /** Who carries. */
  readonly by?: string;
  readonly beat?: true;
  /** By what. */
  readonly via?: TransportName | null;
  readonly key?: number;
  readonly message?: Incoming;
  readonly stands?: unknown;
  readonly gap?: Parameters<Entry["gap"]>[0];
  readonly confirmed?: true;
  readonly current?: true;
  readonly end?: Problem;
  /** Where the entry stands after this. */
  readonly position?: string | null;
}

/** What carries for all tabs; where tabs cannot share, each carries for itself. */
export async function tabs(
  kit: Kit,
  link: Link,
  url: string,
): Promise<Pick<Tabs, "transport" | "close">> {
  if (!("BroadcastChannel" in globalThis && globalThis.navigator?.locks)) {
    return { transport: (_, direct) => direct(), close() {} };
  }
  const all = new Tabs(kit, link, url);
  await all.ready;
  return all;
}

/** What a link has to do with other tabs, for as long as it lives. */
export class Tabs {
  /** It is known whether this tab carries. */
  readonly ready: Promise<void>;
  readonly #kit: Kit;
  readonly #link: Link;
  readonly #name: string;
  readonly #own = `${Math.random()}`.slice(2);
  readonly #channel: BroadcastChannel;
  readonly #over = new AbortController();
  /** What the others want, by their names and keys. */
  readonly #served = new Map<string, Map<number, Entry>>();
  #leads = false;
  #decided = (): void => {};
  #follower: Follower | null = null;
  #beat: ReturnType<typeof setInterval> | undefined;

  constructor(kit: Kit, link: Link, url: string) {
    this.#kit = kit;
    this.#link = link;
    this.#name = `ringback ${url}`;
    this.#channel = new BroadcastChannel(this.#name);
    this.#channel.onmessage = ({ data }: MessageEvent<Wants | Told>) => {
      if ("wants" in data) this.#serve(data);
      else if (!data.to || data.to === this.#own) this.#follower?.hear(data);
    };
    const { signal } = this.#over;
    // Held while this tab lives, so that whoever carries for it learns of its end.
    this.ready = new Promise((resolve) => {
      this.#decided = resolve;
    });
    this.#hold(`${this.#name} ${this.#own}`);
    navigator.locks.request(this.#name, { signal }, () => this.#lead()).catch(() => {}); // It was closed before.
    // What was asked for before is granted by then, or is another's.
    void navigator.locks.query().then(() => setTimeout(this.#decided));
  }

  /** Carry by one's own, or by the tab that does; `direct` makes the first. */
  transport(context: Context, direct: () => Transport): Transport {
    if (this.#leads || context.probing) return direct();
    this.#follower = new Follower(context, this.#kit, direct, (wants) => {
      this.#channel.postMessage({ from: this.#own, wants } satisfies Wants);
    });
    return this.#follower;
  }

  /** End: whoever follows finds another. */
  close(): void {
    this.#over.abort();
    clearInterval(this.#beat);
    this.#channel.close();
  }

  #hold(name: string): void {
    const { signal } = this.#over;
    void navigator.locks.request(name, () => closed(signal));
  }

  #lead(): Promise<void> {
    this.#leads = true;
    this.#decided();
    const beat = (): void => this.#tell({ beat: true });
    this.#beat = setInterval(beat, BEAT);
    this.#follower?.retire();
    this.#follower = null;
    this.#link.listeners.add(beat);
    beat();
    return closed(this.#over.signal);
  }

  #tell(told: Told): void {
    const via = this.#link.connection.transport;
    if (!this.#over.signal.aborted) this.#channel.postMessage({ ...told, by: this.#own, via });
  }

  #serve({ from, wants }: Wants): void {
    if (!this.#leads) return;
    let served = this.#served.get(from);
    if (!served) {
      served = new Map();
      this.#served.set(from, served);
      const mine = served;
      const { signal } = this.#over;
      void navigator.locks
        .request(`${this.#name} ${from}`, { signal }, () => {
          for (const entry of mine.values()) this.#link.remove(entry);
          this.#served.delete(from);
        })
        .catch(() => {});
    }
    const keys = new Set(wants.map(({ key }) => key));
    for (const [key, entry] of served) {
      if (keys.has(key)) continue;
      served.delete(key);
      this.#link.remove(entry);
    }
    for (const wanted of wants) {
      if (served.has(wanted.key)) continue;
      const entry = this.#entry(from, wanted, () => served.delete(wanted.key));
      served.set(wanted.key, entry);
      this.#link.add(entry);
    }
    this.#tell({ to: from, beat: true });
  }

  #entry(to: string, { key, filter, token, after }: Wanted, ended: () => unknown): Entry {
    const { isPath, literal, matcher } = this.#kit;
    const stands = (): string | null => this.#link.positions.of(entry);
    const tell = (told: Told): void => this.#tell({ to, key, ...told });
    const entry: Entry = {
      filter,
      token,
      at: after,
      known: false,
      wired: false,
      joined: false,
      fits: isPath(filter) ? pathMatcher(filter, literal) : matcher(filter),
      take: ({ topic, position = null, at, data, kind }) =>
        tell({ message: { topic, position, at, data, ...(kind && { kind }) } }),
      stands: (data) => tell({ stands: data, position: stands() }),
      gap: (gap) => tell({ gap, position: gap.position }),
      confirmed: () => tell({ confirmed: true, position: stands() }),
      current: () => tell({ current: true, position: stands() }),
      end(error) {
        ended();
        // Without an error it is this tab's own end, and not that of what others follow.
        if (error) tell({ end: error.problem });
      },
    };
    return entry;
  }
}

function closed(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
}

/** Carries by another tab; by itself, where none answers. */
class Follower implements Transport {
  readonly #context: Context;
  readonly #kit: Kit;
  readonly #want: (wants: Wanted[]) => void;
  readonly #direct: () => Transport;
  readonly #keys = new Map<Entry, number>();
  #instead: Transport | null = null;
  #by: string | undefined;
  #via: TransportName | null | undefined;
  /** Goes on from one follower to the next, so that none hears what was for another. */
  #count = Date.now() * 1000;
  #up = false;
  #over = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    context: Context,
    kit: Kit,
    direct: () => Transport,
    want: (wants: Wanted[]) => void,
  ) {
    this.#context = context;
    this.#kit = kit;
    this.#direct = direct;
    this.#want = want;
    want([]);
    this.#alive(BEAT / 2);
  }

  start(): void {
    if (this.#instead) this.#instead.start();
    else this.change();
  }

  change(): void {
    if (this.#instead) this.#instead.change();
    if (this.#instead || !this.#up || this.#over) return;
    const { entries } = this.#context.positions;
    for (const entry of this.#keys.keys()) if (!entries.has(entry)) this.#keys.delete(entry);
    for (const entry of entries) if (!this.#keys.has(entry)) this.#keys.set(entry, ++this.#count);
    this.#want(
      [...this.#keys].map(([{ filter, token, at }, key]) => ({ key, filter, token, after: at })),
    );
  }

  check(): void {
    if (this.#instead) {
      this.#instead.check();
    } else {
      this.change();
      this.#alive(BEAT);
    }
  }

  renewed(): void {
    this.#instead?.renewed();
  }

  close(): void {
    this.#over = true;
    clearTimeout(this.#timer);
    if (this.#instead) this.#instead.close();
    else this.#want([]);
  }

  /** The other tab carries no more: begin anew. */
  retire(): void {
    if (this.#over || this.#instead) return;
    this.close();
    this.#context.down({ error: null, after: 0 });
  }

  /** What the tab that carries says. */
  hear({ by, via, key, message, stands, gap, confirmed, current, end, position }: Told): void {
    if (this.#over || this.#instead) return;
    // Another carries, which knows nothing of this one yet.
    if (this.#by && this.#by !== by) {
      this.retire();
      return;
    }
    this.#by = by;
    this.#alive(SILENCE);
    if (!this.#up || this.#via !== via) {
      this.#up = true;
      this.#via = via;
      this.#context.up(via);
    }
    const entry = [...this.#keys].find(([, each]) => each === key)?.[0];
    const { positions } = this.#context;
    if (!entry || !positions.entries.has(entry)) return;
    // The last values that come before it is confirmed move nothing, nor does a gap among them.
    const moves = !(message || gap) || entry.known || entry.at;
    const moved = moves && (message ? message.position : position);
    if (moved && (!entry.at || entry.at === "earliest" || this.#kit.higher(moved, entry.at))) {
      entry.at = moved;
    } else if (message?.position && entry.known && entry.filter === message.topic && message.kind) {
      return; // Of an operation: it was had.
    }
    if (message) entry.take(message);
    if (stands) entry.stands(stands);
    if (gap) entry.gap(gap);
    if (confirmed) positions.confirm(entry);
    if (current) entry.current();
    if (end) positions.end([entry], new this.#kit.RingbackError(end));
  }

  #alive(milliseconds: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      // Nobody carries, or whoever should is frozen.
      if (this.#up) this.retire();
      else this.#instead = this.#direct();
    }, milliseconds);
  }
}
