/** Long polling, and polling with pauses: plain requests, for where nothing else comes through. */

import type { RingbackError } from "./errors.js";
import { type Page, Pages, query, refuses, start } from "./pages.js";
import type { Entry } from "./resume.js";
import { together } from "./together.js";
import type { Context, Transport } from "./transport.js";

/** Seconds that the server is asked to wait. */
const WAIT = 25;
/** Milliseconds beyond that until a request is given up. */
const MARGIN = 10_000;
/** Requests that wait at the same time: a browser has six connections to a server (HTTP/1.1). */
const WAITING = 3;
/** Milliseconds between polls that do not wait: from, to. */
const PAUSES = [1_000, 5_000] as const;

type Stand = { readonly position: string };
interface Polled<T> {
  /** null: nothing has changed. */
  readonly data: T | null;
  readonly headers: Headers;
  /** Ask again only after a pause: the server did not wait, or not for long. */
  readonly early: boolean;
}

/** One loop for all topics, and one for each operation. */
export class PollTransport implements Transport {
  readonly #context: Context;
  readonly #waits: boolean;
  readonly #stop = new AbortController();
  readonly #pages: Pages;
  readonly #known = new Set<Entry>();
  #poll = new AbortController();
  #started = false;
  #topics = false;
  #waiting = 0;
  #asked = 0;
  #cut = 0;

  constructor(context: Context, name: "long-polling" | "polling") {
    this.#context = context;
    this.#waits = name === "long-polling";
    this.#pages = new Pages(context, this.#stop.signal);
    // There is nothing to open: that requests come through is seen as they do. A proxy may keep
    // this one for itself, and answer all the same.
    context.http.request("healthz", { signal: this.#stop.signal }).then(
      () => context.up(),
      (error: unknown) =>
        refuses(context.kit, error) && error.status !== 401 ? context.up() : this.#fail(error),
    );
  }

  start(): void {
    this.#started = true;
    this.change();
  }

  change(): void {
    if (!this.#started) return;
    const { entries } = this.#context.positions;
    for (const entry of this.#known) if (!entries.has(entry)) this.#known.delete(entry);
    const fresh = [...entries].filter((entry) => !this.#known.has(entry));
    for (const entry of fresh) {
      this.#known.add(entry);
      if (this.#context.kit.isOperation(entry)) this.#run(this.#operation(entry));
    }
    const topics = fresh.filter((entry) => !this.#context.kit.isOperation(entry));
    if (topics.length) this.#run(this.#begin(topics));
  }

  check(): void {
    if (Date.now() - this.#asked > WAIT * 1000 + MARGIN) this.#poll.abort();
  }

  renewed(): void {
    this.#poll.abort();
  }

  close(): void {
    this.#stop.abort();
    this.#poll.abort();
  }

  #run(work: Promise<void>): void {
    work.catch((error: unknown) => this.#fail(error));
  }

  async #begin(entries: Entry[]): Promise<void> {
    await this.#pages.begin(entries);
    // Who was told that it is current may have changed the transport: another carries them now.
    if (this.#stop.signal.aborted) return;
    for (const entry of entries) entry.wired = true;
    // A poll that waits does not know of them.
    this.#poll.abort();
    if (this.#topics) return;
    this.#topics = true;
    await this.#loop();
  }

  #followed(): Entry[] {
    const { entries } = this.#context.positions;
    return [...entries].filter((entry) => entry.wired && !this.#context.kit.isOperation(entry));
  }

  async #loop(): Promise<void> {
    const { positions } = this.#context;
    let idle: number = PAUSES[0];
    for (;;) {
      const wired = this.#followed();
      if (!wired.length || this.#stop.signal.aborted) {
        // Not a moment later, or one that is added in between would wait for ever.
        this.#topics = false;
        return;
      }
      for (const entry of wired) entry.at = positions.of(entry);
      const after = together(this.#context.kit, positions, wired);
      this.#poll = new AbortController();
      const { signal } = this.#poll;
      try {
        const page = await this.#ask<Page>(
          query(
            wired.map((e) => e.filter),
            after,
          ),
          {},
          signal,
        );
        if (this.#stop.signal.aborted) return;
        const { messages, gap, missed, position } = page.data as Page;
        const lost = missed.length ? missed : null;
        if (gap) positions.gap({ topics: lost, position: start(messages) ?? position });
        for (const message of messages) positions.message(message);
        positions.mark(position);
        idle = messages.length ? PAUSES[0] : Math.min(PAUSES[1], idle * 1.5);
        if (page.early && !messages.length) await this.#context.kit.pause(idle, signal);
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        if (!signal.aborted) await this.#refused(error, wired);
      }
    }
  }

  /** Which of them it is about, they are asked for one by one; who remains goes on. */
  async #refused(error: unknown, wired: Entry[]): Promise<void> {
    if (!refuses(this.#context.kit, error)) throw error;
    const { positions } = this.#context;
    for (const entry of wired) {
      entry.at = positions.of(entry);
      entry.joined = entry.wired = false;
    }
    await this.#pages.begin(wired);
    if (this.#stop.signal.aborted) return;
    if (wired.every((entry) => positions.entries.has(entry))) throw error;
    for (const entry of wired) entry.wired = true;
  }

  async #operation(entry: Entry): Promise<void> {
    const { positions } = this.#context;
    let etag: string | null = null;
    while (positions.entries.has(entry) && !this.#stop.signal.aborted) {
      const after = entry.at ? `?${new URLSearchParams({ after: entry.at })}` : "";
      const headers: Record<string, string> = etag ? { "If-None-Match": etag } : {};
      const { signal } = this.#stop;
      try {
        const path: string = entry.filter + after;
        const conditional: boolean = etag !== null;
        const answer: Polled<Stand> = await this.#ask<Stand>(
          path,
          headers,
          signal,
          entry.token,
          conditional,
        );
        if (!positions.entries.has(entry)) return;
        etag = answer.headers.get("ETag") ?? etag;
        if (answer.data) {
          positions.stands(entry, answer.data.position, answer.data);
          positions.confirm(entry);
        }
        const seconds = this.#context.kit.retryAfter(answer.headers) ?? 1;
        if (answer.early && !(this.#waits && answer.data))
          await this.#context.kit.pause(Math.min(seconds * 1000, PAUSES[1]), signal);
      } catch (error) {
        if (signal.aborted) return;
        if (!(await this.#pages.concerns(entry, error))) throw error;
        positions.end([entry], error as RingbackError);
      }
    }
  }

  async #ask<T>(
    path: string,
    headers: Record<string, string>,
    signal: AbortSignal,
    token?: string,
    conditional = true,
  ): Promise<Polled<T>> {
    const waits = this.#waits && this.#waiting < WAITING && conditional;
    const asked = Date.now();
    this.#asked = asked;
    if (waits) {
      this.#waiting++;
      headers = { ...headers, Prefer: `wait=${WAIT}` };
    }
    try {
      const patience = waits ? WAIT * 1000 + MARGIN : MARGIN;
      const options = { headers, signal, token, patience };
      const answer = waits
        ? await this.#context.http.request<T>(path, options)
        : await this.#pages.get<T>(path, options);
      this.#cut = 0;
      // One that was full, or a proxy that drops what was preferred, does not wait.
      const early = conditional && !(waits && Date.now() - asked > PAUSES[0]);
      return { ...answer, early };
    } catch (error) {
      // One that was cut while it waited, again and again: something here does not let it wait.
      const cut =
        this.#context.kit.passes(error) && error.status !== 429 && Date.now() - asked > PAUSES[0];
      if (!waits || signal.aborted || !cut) throw error;
      if (++this.#cut > 1) this.#fail(error, true);
      throw error;
    } finally {
      if (waits) this.#waiting--;
    }
  }

  #fail(error: unknown, broken = false): void {
    if (this.#stop.signal.aborted) return;
    this.close();
    this.#context.down({ error: this.#context.kit.asError(error), broken });
  }
}
