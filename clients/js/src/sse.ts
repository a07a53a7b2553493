/** Server-Sent Events over `fetch`, which can send a token where an EventSource cannot. */

import type { Kit } from "./kit.js";
import { Pages, query, refuses } from "./pages.js";
import type { Entry, Incoming } from "./resume.js";
import { type ServerSentEvent, SseParser } from "./sse-parser.js";
import { together } from "./together.js";
import type { Context, Transport } from "./transport.js";

/** Milliseconds until the first bytes of a stream, which the server sends at once. */
const FIRST = 5_000;
/** Milliseconds without a sign of life: the server says something every 15 seconds. */
const SILENCE = 40_000;
/**
 * Seconds that a server which cannot stream may wait for something to answer with: when it is asked
 * first, and when it is known that it cannot.
 */
const WAITS = [2, 25] as const;
/** Milliseconds from one whole answer's request to the next at least. */
const EVERY = 1_000;

type Reader = ReadableStreamDefaultReader<Uint8Array>;

/** One stream for everything; opened anew when something is added. */
export class SseTransport implements Transport {
  readonly #context: Context;
  readonly #stop = new AbortController();
  readonly #pages: Pages;
  #stream: AbortController | null = null;
  #carried: Set<Entry> = new Set();
  #begin: (() => void) | null = null;
  #busy = false;
  #again = false;
  /** The server gives whole answers, as functions on AWS do; the last of them has ended. */
  #whole = false;
  #ended = false;
  /** When it was asked last; and the request that waits for its answer, or for its time. */
  #asked = 0;
  #asking: AbortController | null = null;
  #heard = Date.now();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(context: Context) {
    this.#context = context;
    this.#pages = new Pages(context, this.#stop.signal);
    this.change();
  }

  start(): void {
    this.#begin?.();
    this.#begin = null;
    this.change();
  }

  change(): void {
    this.#again = true;
    if (this.#asking) {
      // It would be in vain for as long as nothing happens.
      this.#ended = true;
      this.#asking.abort();
      this.#asking = null;
    }
    if (this.#busy || this.#begin || this.#stop.signal.aborted) return;
    this.#busy = true;
    this.#follow().catch((error: unknown) => this.#fail(error));
  }

  check(): void {
    // Longer than a server is silent: it cannot be asked, so it is begun anew.
    if (this.#stream && !this.#whole && Date.now() - this.#heard > SILENCE / 2)
      this.#fail(this.#context.kit.local("network", "Silent."), 0);
  }

  renewed(): void {
    this.#fail(null, 0);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#stop.abort();
    this.#stream?.abort();
  }

  async #follow(): Promise<void> {
    const { positions, probing } = this.#context;
    while (this.#again && !this.#begin && !this.#stop.signal.aborted) {
      this.#again = false;
      if (!probing || this.#stream) {
        const behind = unlevel(
          this.#context.kit,
          [...positions.entries].filter((entry) => !entry.wired),
        );
        if (behind.length) await this.#pages.begin(behind);
      }
      const all = [...positions.entries];
      const gone = [...this.#carried].some(
        (e) => !positions.entries.has(e) && !this.#context.kit.isOperation(e),
      );
      const due = this.#ended || gone || all.some((entry) => !entry.wired);
      if (!this.#stream || due) await this.#open(all);
    }
    // Not a moment later, or a change in between would be seen by nobody.
    this.#busy = false;
  }

  async #open(all: Entry[]): Promise<void> {
    const { positions, http, probing } = this.#context;
    const carried = all.filter((entry) => positions.entries.has(entry) && this.#placed(entry));
    if (!carried.length) {
      if (probing) this.#fail(null);
      return;
    }
    const stream = new AbortController();
    const path = pathOf(this.#context.kit, carried, (entry) => positions.of(entry) ?? "");
    const stop = (): void => stream.abort();
    await http.tokens.get(); // which may take the page as long as it likes
    if (this.#stop.signal.aborted) return;
    this.#stop.signal.addEventListener("abort", stop, { signal: stream.signal });
    if (this.#whole) {
      this.#asking = stream;
      const pause = Math.max(0, this.#asked + EVERY - Date.now());
      await this.#context.kit.pause(pause, stream.signal);
      if (stream.signal.aborted) return;
    }
    this.#asked = Date.now();
    const timer = setTimeout(stop, this.#whole ? SILENCE : FIRST);
    let reader: Reader | undefined;
    let first: ReadableStreamReadResult<Uint8Array> | undefined;
    try {
      const wait = WAITS[this.#whole ? 1 : 0];
      const headers = { Accept: "text/event-stream", Prefer: `wait=${wait}` };
      const options = { headers, signal: stream.signal } as const;
      const response = await http.open(path, options);
      reader = response.body?.getReader();
      const type = response.headers.get("Content-Type") ?? "";
      if (type.startsWith("text/event-stream")) first = await reader?.read();
      // Nobody knows the length of a stream.
      this.#whole = response.headers.has("Content-Length");
    } catch (error) {
      if (this.#stop.signal.aborted || (this.#whole && this.#asking !== stream)) return;
      if (!refuses(this.#context.kit, error)) {
        if (this.#context.kit.passes(error)) throw error;
        // Plain requests come through, or did just now.
        return this.#fail(this.#context.kit.local("sse", "Nothing came.", error), undefined, true);
      }
      // Which of them it is about, they are asked for one by one; who remains is opened again.
      positions.lost();
      await this.#pages.begin(all);
      if (all.every((entry) => positions.entries.has(entry)))
        return this.#fail(error, undefined, error.status !== 401);
      this.#again = true;
      return;
    } finally {
      clearTimeout(timer);
      this.#asking = null;
    }
    if (stream.signal.aborted) {
      // What was to be asked for changed in the very moment of the answer: nobody would read it.
      if (!this.#again)
        this.#fail(this.#context.kit.local("sse", "Nothing came."), undefined, true);
      return;
    }
    if (!reader || !first?.value)
      return this.#fail(this.#context.kit.local("sse", "No stream."), undefined, true);
    // What does the same, and says at once that it does.
    if (this.#whole && this.#context.names.includes("long-polling"))
      return this.#fail(this.#context.kit.local("sse", "Not streamed."), undefined, true);
    const begun = first.value;
    const opened = reader;
    this.#begin = () => {
      this.#stream?.abort();
      this.#stream = stream;
      this.#ended = false;
      positions.lost();
      this.#carried = new Set(carried.filter((entry) => positions.entries.has(entry)));
      for (const entry of this.#carried) entry.wired = true;
      together(
        this.#context.kit,
        positions,
        [...this.#carried].filter((entry) => !this.#context.kit.isOperation(entry)),
      );
      void this.#read(stream, opened, begun);
    };
    if (this.#stream) this.start();
    else this.#context.up();
  }

  /**
   * Whether it is somewhere that can be told from where others are. Where one stands that was added
   * a moment ago only the page says: with what is kept, or in another life of the store. It has to
   * be brought up first, or what it misses would be a gap for all.
   */
  #placed(entry: Entry): boolean {
    return entry.known && this.#context.positions.of(entry) !== null;
  }

  async #read(stream: AbortController, reader: Reader, first: Uint8Array): Promise<void> {
    const { signal } = stream;
    const decoder = new TextDecoder();
    let pieces = 0;
    let retries = 0;
    let after: number | undefined;
    const parser = new SseParser(
      (event) => this.#event(event),
      (milliseconds) => {
        // The first is for those that are cut off without a word: they back off.
        if (retries++) after = milliseconds / 1000;
      },
    );
    try {
      for (let piece: Uint8Array | undefined = first; piece && !signal.aborted; ) {
        this.#alive(!pieces++);
        parser.push(decoder.decode(piece, { stream: true }));
        if (signal.aborted) return;
        piece = (await reader.read()).value;
      }
      if (signal.aborted) return;
      if (!this.#whole)
        return this.#fail(this.#context.kit.local("network", "The stream has ended."), after);
      clearTimeout(this.#timer);
      this.#ended = true;
      this.change();
    } catch (error) {
      if (!signal.aborted) this.#fail(error, after);
    }
  }

  /** Something came; where nothing does after the `first`, somebody on the way keeps it. */
  #alive(first: boolean): void {
    this.#heard = Date.now();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => this.#fail(this.#context.kit.local("network", "Silent."), undefined, first),
      SILENCE,
    );
  }

  #event({ event, data, id }: ServerSentEvent): void {
    const { positions } = this.#context;
    const [mark, ...more] = id.split(",");
    if (data === null) {
      // Until the last values are all out it stands where it stood.
      if (mark && !more.includes("retained")) positions.mark(mark);
      return;
    }
    const told = JSON.parse(data) as Incoming & { topics?: string[] };
    const { topic, position = null } = told;
    if (event === "message") positions.message(told);
    else if (event === "snapshot") positions.snapshot(topic, position ?? "", told.data);
    else if (event !== "gap") positions.message({ ...told, kind: event });
    else if (position)
      positions.gap({ topics: told.topics?.length ? told.topics : null, position });
    else this.#reread(told.topics ?? []);
  }

  /** What happened to operations that can no longer be told of as it came? */
  #reread(topics: string[]): void {
    const entries = topics.flatMap((topic) => this.#context.positions.wired(topic));
    for (const entry of entries) entry.at = null;
    this.#pages.begin(entries).catch((error: unknown) => this.#fail(error));
  }

  #fail(error: unknown, after?: number, broken = false): void {
    if (this.#stop.signal.aborted) return;
    this.close();
    this.#context.down({
      error: error === null ? null : this.#context.kit.asError(error),
      after,
      broken,
    });
  }
}

/** Those that a stream cannot take up with the others from where they are. */
function unlevel({ higher, beyond, isOperation }: Kit, entries: Entry[]): Entry[] {
  const stand = entries.flatMap((e) => (e.at && e.known && !isOperation(e) ? [e.at] : []));
  let highest = stand[0];
  for (const at of stand) if (highest && higher(at, highest)) highest = at;
  // Where they are of several lives of the store, nobody here knows which it lives.
  const level = stand.every((at) => at === highest || (highest && beyond(highest, at)));
  return entries.filter((entry) =>
    isOperation(entry) ? !entry.at || !entry.known : !entry.known || !level || entry.at !== highest,
  );
}

function pathOf(
  { higher, isOperation }: Kit,
  entries: Entry[],
  at: (entry: Entry) => string,
): string {
  // Where several stand at different places, it begins with the one that is furthest behind.
  const lowest = new Map([["", ""]]);
  const tokens = new Set<string>();
  for (const entry of entries) {
    const operation = isOperation(entry);
    const key = operation ? `${entry.filter}:` : "";
    const least = lowest.get(key);
    if (!least || higher(least, at(entry))) lowest.set(key, at(entry));
    if (operation && entry.token) tokens.add(entry.token);
  }
  const after = [...lowest].map(([key, position]) => key + position).join();
  const path = query(
    entries.map((entry) => entry.filter),
    after,
  );
  return path + [...tokens].map((token) => `&token=${encodeURIComponent(token)}`).join("");
}
