/** The WebSocket `ringback.v1`: docs/protocol.md. */

import { CAP, reconnects } from "./backoff.js";
import { asError, local, RingbackError } from "./errors.js";
import { type Entry, type Incoming, isOperation } from "./resume.js";
import type { Context, Transport } from "./transport.js";
import type { Problem } from "./types.js";

const PROTOCOL = "ringback.v1";
/** Seconds between a server's signs of life, until it has said what they are. */
const HEARTBEAT = 25;
/** Seconds that an answer to a ping may take when there is a reason to doubt. */
const DOUBT = 5;
/** Seconds until it has to be open and the server has greeted, and then until it has answered. */
const OPENING = 10;
const DEAD = (): RingbackError => local("network", "The connection is dead.");
/** Problems that pass: the same may be allowed a little later. */
const NOT_NOW = ["rate-limited", "queue-full", "store-unavailable"];

/** A frame of the server's; which members it has depends on `type`. */
export interface Frame {
  readonly type: string;
  readonly id?: string;
  readonly heartbeat?: number;
  readonly reconnect_after?: number;
  readonly topic?: string;
  readonly filter?: string | null;
  readonly topics?: readonly string[] | null;
  readonly position?: string | null;
  readonly at?: string;
  readonly kind?: string;
  readonly data?: unknown;
  readonly problem?: Problem & { readonly retry_after?: number };
  readonly result?: { readonly position?: string; readonly expires_at?: string | null };
}

/** A frame from its text; null where it is none of a server of this protocol. */
export function frameOf(text: unknown): Frame | null {
  try {
    const frame = JSON.parse(String(text)) as Frame | null;
    if (typeof frame?.type !== "string") return null;
    const named = frame.type !== "message" || typeof frame.topic === "string";
    return named ? frame : null;
  } catch {
    return null;
  }
}

/** Carries everything over one connection. */
export class WebSocketTransport implements Transport {
  readonly #context: Context;
  readonly #socket: WebSocket;
  readonly #stop = new AbortController();
  /** What is done with the answer to an action, by its id. */
  readonly #answers = new Map<string, (frame: Frame) => void>();
  /** Filters that the server was asked for. */
  readonly #asked = new Set<string>();
  /** Filters that it was asked to leave: until it has, what comes with them is of before. */
  readonly #leaving = new Set<string>();
  readonly #beginning = new Set<Entry>();
  #count = 0;
  #started = false;
  #welcomed = false;
  #token: string | undefined;
  #heartbeat = HEARTBEAT;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #after: number | undefined;

  constructor(context: Context) {
    this.#context = context;
    const { http, options } = context;
    const Socket = options.WebSocket ?? WebSocket;
    const url = options.webSocketUrl ?? `${http.url.replace(/^http/, "ws")}ws`;
    this.#socket = new Socket(url, [PROTOCOL]);
    this.#expect();
    this.#socket.onmessage = ({ data }) => {
      if (this.#started) this.#alive();
      const frame = frameOf(data);
      if (frame) this.#frame(frame);
      // API Gateway says that what is behind it failed, and not at which action: begin anew.
      else if (/"connectionId"/.test(data)) this.#fail({ error: DEAD() });
    };
    this.#socket.onclose = ({ code, reason }) => this.#closed(code, reason);
  }

  start(): void {
    this.#started = true;
    this.#expect();
    this.change();
  }

  change(): void {
    if (!this.#started || this.#stop.signal.aborted) return;
    const { positions } = this.#context;
    const held = (entry: Entry): boolean => entry.wired || this.#beginning.has(entry);
    const wanted = new Set([...positions.entries].filter(held).map(({ filter }) => filter));
    for (const filter of this.#asked) {
      if (wanted.has(filter)) continue;
      this.#asked.delete(filter);
      this.#leaving.add(filter);
      this.#answers.set(this.#send({ action: "unsubscribe", filter }), () => {
        this.#leaving.delete(filter);
        this.change();
      });
    }
    const waiting: Entry[] = [];
    for (const entry of positions.entries) {
      const { filter } = entry;
      if (held(entry) || this.#leaving.has(filter)) continue;
      if (!wanted.has(filter)) {
        wanted.add(filter);
        this.#subscribe(entry);
      } else if (positions.wired(filter).some((e) => e.joined || isOperation(e))) {
        // Another of this filter: when the first has all, it gets what it missed by itself.
        waiting.push(entry);
      }
    }
    if (waiting.length) this.#begin(waiting);
  }

  #begin(entries: Entry[]): void {
    for (const entry of entries) this.#beginning.add(entry);
    const { signal } = this.#stop;
    import("./fallback.js")
      .then(({ Pages }) => new Pages(this.#context, signal).begin(entries))
      .catch((error: unknown) => this.#fail({ error: asError(error) }))
      .finally(() => {
        for (const entry of entries) this.#beginning.delete(entry);
        this.change();
      });
  }

  #subscribe(first: Entry): void {
    const { positions } = this.#context;
    const { filter, at, token } = first;
    // Those of the same filter that stand at the same place go with it.
    const group = [...positions.entries].filter((e) => e.filter === filter && e.at === at);
    this.#asked.add(filter);
    for (const entry of group) {
      this.#beginning.add(entry);
      entry.asked = !at;
    }
    const id = this.#send({
      action: "subscribe",
      filter,
      ...(at && { after: at }),
      ...(token && { token }),
    });
    this.#answers.set(id, ({ result, problem }) => {
      if (result?.position) {
        for (const entry of group) this.#beginning.delete(entry);
        positions.reply(group, result.position, at === null);
        this.change();
      } else if (problem) {
        this.#refused(group, filter, problem);
      }
    });
  }

  #refused(group: Entry[], filter: string, problem: Problem): void {
    const error = new RingbackError(problem, Number(problem["retry_after"] ?? 1));
    this.#asked.delete(filter);
    if (!NOT_NOW.includes(error.code)) this.#context.positions.end(group, error);
    setTimeout(
      () => {
        for (const entry of group) this.#beginning.delete(entry);
        this.change();
      },
      (error.retryAfter ?? 1) * 1000,
    );
  }

  check(): void {
    if (this.#socket.readyState === 1) this.#ping(DOUBT);
  }

  renewed(): void {
    if (this.#welcomed) void this.#authenticate();
  }

  close(): void {
    this.#stop.abort();
    clearTimeout(this.#timer);
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close(1000);
  }

  #send(action: Record<string, unknown>): string {
    const id = String(++this.#count);
    const text = JSON.stringify({ ...action, id });
    if (this.#socket.readyState === 1) {
      this.#socket.send(text);
    }
    return id;
  }

  /** Where nothing comes now, nothing comes through at all. */
  #expect(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#fail({ error: DEAD(), broken: true }), OPENING * 1000);
  }

  /** Something came: it is alive for another while. */
  #alive(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ping(this.#heartbeat), this.#heartbeat * 1000);
  }

  #ping(seconds: number): void {
    clearTimeout(this.#timer);
    this.#send({ action: "ping" });
    this.#timer = setTimeout(() => this.#fail({ error: DEAD() }), seconds * 1000);
  }

  async #authenticate(): Promise<void> {
    try {
      const token = await this.#context.http.tokens.get();
      const before = this.#token;
      this.#token = token;
      if (token === before || this.#stop.signal.aborted) return this.#up();
      // Nobody at all: that takes a connection of its own.
      if (!token) return this.#fail({ error: null, after: 0 });
      this.#answers.set(this.#send({ action: "authenticate", token }), ({ problem }) => {
        if (!problem) return this.#up();
        const error = new RingbackError(problem);
        // Of another subject: that takes a connection of its own, too.
        if (before) this.#fail({ error, after: 0 });
        else this.#fail({ error, refused: { token } });
      });
    } catch (error) {
      this.#fail({ error: asError(error) });
    }
  }

  #up(): void {
    const { up, probing } = this.#context;
    if (this.#started || this.#stop.signal.aborted) return;
    // Another carries: first it has to be sure that more than the greeting comes through.
    if (probing) this.#answers.set(this.#send({ action: "ping" }), () => up());
    else up();
  }

  #frame(frame: Frame): void {
    const { positions, http } = this.#context;
    const { type, id, filter, problem } = frame;
    if (type === "welcome") {
      this.#heartbeat = frame.heartbeat ?? HEARTBEAT;
      this.#welcomed = true;
      void this.#authenticate();
    } else if (["reply", "error", "pong"].includes(type)) {
      const answer = this.#answers.get(id ?? "");
      this.#answers.delete(id ?? "");
      answer?.(frame);
    } else if (type === "expiring") {
      void http.tokens.renew(this.#token).then(
        () => this.#authenticate(),
        () => {}, // It is closed with 4401 then, and asked for again.
      );
    } else if (type === "bye") {
      this.#after = frame.reconnect_after;
    } else if (type === "end" && filter) {
      this.#asked.delete(filter);
      positions.end(positions.wired(filter), problem ? new RingbackError(problem) : null);
      this.change();
    } else {
      told(positions, frame);
      if (type === "current") this.change();
    }
  }

  #closed(code: number, reason: string): void {
    const error = local(`close-${code}`, reason || `The connection was closed (${code}).`);
    const not = !reconnects(code);
    const refused = [4401, 4409].includes(code) && { token: this.#token };
    this.#fail({
      error,
      broken: code === 1006 ? !this.#started : code < 4000 && not && !this.#after,
      stay: code >= 4000 && not && code !== 4429,
      after: code === 4429 ? CAP : this.#after,
      ...(refused && { refused }),
    });
  }

  #fail(failure: Parameters<Context["down"]>[0]): void {
    if (this.#stop.signal.aborted) return;
    this.close();
    this.#context.down(failure);
  }
}

/** What the positions make of a frame that tells of topics and operations: whether it was new. */
export function told(positions: Context["positions"], frame: Frame): boolean {
  const { type, filter = null, position = null, topics = null, topic = "" } = frame;
  if (type === "message") return positions.message(frame as Incoming, filter);
  if (type === "gap") positions.gap({ topics, position }, filter);
  if (type === "snapshot" && position) positions.snapshot(topic, position, frame.data);
  if (type === "current" && filter && position) positions.current(filter, position);
  return true;
}
