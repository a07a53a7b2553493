/** One operation as the page sees it: its state, its partial results, its end. */

import { call } from "./call.js";
import { asError, closed, local, RingbackError } from "./errors.js";
import type { Http } from "./http.js";
import type { Link } from "./link.js";
import { OPERATIONS } from "./positions.js";
import { Queue } from "./queue.js";
import type { Entry, Incoming } from "./resume.js";
import type {
  Operation,
  OperationEvent,
  OperationState,
  OperationStatus,
  PartOfAttempt,
  Problem,
  Progress,
} from "./types.js";

type State<R, P> = Omit<OperationState<R, P>, "parts">;

const OVER: readonly OperationStatus[] = ["succeeded", "failed", "cancelled"];

/** What is known of an operation before the server was asked. */
function unknown<R, P>(id: string): State<R, P> {
  return {
    id,
    task: "",
    status: "queued",
    progress: null,
    version: 0,
    attempt: 0,
    part_count: 0,
  };
}

/** Follows one operation. */
export class FollowedOperation<R, P> implements Operation<R, P> {
  failure: RingbackError | null = null;
  token: string | undefined;
  readonly #link: Link;
  readonly #http: Http;
  #state: State<R, P>;
  /** By their index; what is missing comes when it is asked for. */
  #parts: PartOfAttempt<P>[] = [];
  #attempt = 0;
  /** Parts count from this one on: of one that is resumed, the earlier ones stand. */
  #first = 0;
  /** So many of them are there without a hole. */
  #whole = 0;
  /** Ends the reading of what is missing. */
  #filling: AbortController | null = null;
  #snapshot: OperationState<R, P> | null = null;
  #entry: Entry | null = null;
  readonly #listeners = new Set<() => void>();
  readonly #queues = new Set<Queue<OperationEvent<R, P>>>();

  constructor(link: Link, http: Http, id: string, token?: string) {
    this.#link = link;
    this.#http = http;
    this.token = token;
    this.#state = unknown(id);
  }

  get id(): string {
    return this.#state.id;
  }

  get task(): string {
    return this.#state.task;
  }

  get status(): OperationStatus {
    return this.#state.status;
  }

  get done(): boolean {
    return this.failure !== null || OVER.includes(this.status);
  }

  get progress(): Progress | null {
    return this.#state.progress;
  }

  get error(): Problem | null {
    return this.#state.error ?? null;
  }

  get snapshot(): OperationState<R, P> {
    const parts = this.#parts.slice(0, this.#whole);
    this.#snapshot ??= Object.freeze({ ...this.#state, parts } as OperationState<R, P>);
    return this.#snapshot;
  }

  /** Begin with what the server acknowledged, and follow what is to come. */
  accept(state: OperationState<R, P>, token?: string): this {
    this.token = token ?? this.token;
    this.#stands(state);
    if (!this.done || state.part_count) this.follow();
    return this;
  }

  /** Have the link tell of it. */
  follow(): this {
    const entry: Entry = {
      filter: this.#path,
      token: this.token,
      at: null,
      known: false,
      wired: false,
      joined: false,
      fits: () => false,
      take: (message) => this.#take(message),
      stands: (data) => this.#stands(data as OperationState<R, P>),
      gap() {}, // What it missed is in the snapshot that follows.
      confirmed() {},
      current() {},
      end: (error) => this.fail(error ?? closed()),
    };
    this.#entry = entry;
    this.#link.add(entry);
    return this;
  }

  async *parts(): AsyncIterableIterator<P> {
    let parts = this.#parts;
    let index = 0;
    for (;;) {
      if (parts !== this.#parts) {
        parts = this.#parts;
        index = 0;
      }
      if (index < this.#whole) yield (parts[index++] as PartOfAttempt<P>).data;
      else if (this.failure) throw this.failure;
      else if (this.#ended()) return;
      else await this.#next();
    }
  }

  events(): AsyncIterableIterator<OperationEvent<R, P>> {
    const queue = new Queue<OperationEvent<R, P>>((each) => this.#queues.delete(each));
    queue.push({ kind: "status", state: this.snapshot });
    for (const part of this.snapshot.parts) queue.push({ kind: "part", part });
    if (this.#ended() || this.failure) queue.end(this.failure);
    else this.#queues.add(queue);
    return queue;
  }

  async result(): Promise<R> {
    while (!this.done) await this.#next();
    const { result, result_size, status, error } = this.#state;
    if (status === "succeeded") {
      if (result_size === undefined) return (result ?? null) as R;
      const path = `${this.#path}/result`;
      return (await this.#http.persist<R>(path, { token: this.token })).data;
    }
    if (status === "failed" && error) throw new RingbackError(error);
    if (status === "cancelled") throw local("cancelled", "It was cancelled.");
    throw this.failure ?? local("task-failed", "It failed.");
  }

  async cancel(): Promise<void> {
    if (!this.id) return this.close(); // an upload that nobody knows of yet
    await this.#http.persist(`${this.#path}/cancel`, { method: "POST", token: this.token });
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#filling?.abort();
    this.#filling = null;
    this.fail(closed());
  }

  /** It cannot be followed any more. */
  fail(error: RingbackError): void {
    this.#leave();
    // What is over, and whose parts are on their way, ends with those.
    if (this.failure || (OVER.includes(this.status) && this.#filling) || this.#ended()) return;
    this.failure = error;
    this.#finish();
    this.changed();
  }

  /** Tell whoever looks at it. */
  changed(): void {
    this.#snapshot = null;
    for (const listener of [...this.#listeners]) call(listener);
  }

  #leave(): void {
    if (this.#entry) this.#link.remove(this.#entry);
    this.#entry = null;
  }

  get #path(): string {
    return OPERATIONS + this.id;
  }

  /** Parts are missing that will not come by themselves. */
  #lacks(): boolean {
    return this.#parts.length > this.#whole || (OVER.includes(this.status) && !this.#ended());
  }

  /** All of it is here. */
  #ended(): boolean {
    return OVER.includes(this.status) && this.#whole >= this.#state.part_count;
  }

  #next(): Promise<void> {
    return new Promise((resolve) => {
      const end = this.onChange(() => {
        end();
        resolve();
      });
    });
  }

  #take({ kind, data, position }: Incoming): void {
    if (kind === "part") this.#part(data as PartOfAttempt<P>);
    else if (kind === "status") this.#status(data as State<R, P>);
    else if (kind === "progress") this.#progress(data as Progress & { attempt: number });
    if (position) this.#state = { ...this.#state, position };
    this.#told();
  }

  #stands({ parts = [], ...state }: OperationState<R, P>): void {
    // Parts before the status: they came before it, and say where those of its attempt begin.
    for (const part of parts) this.#part(part);
    this.#status(state);
    this.#told();
  }

  /** After a change: fill what is missing, tell, and end what has ended. */
  #told(): void {
    if (this.#lacks()) this.#fill();
    if (this.#ended()) {
      this.#leave();
      this.#finish();
    }
    this.changed();
  }

  #finish(): void {
    for (const queue of this.#queues) queue.end(this.failure);
    this.#queues.clear();
  }

  #emit(event: OperationEvent<R, P>): void {
    for (const queue of this.#queues) queue.push(event);
  }

  #status(state: State<R, P>): void {
    if (state.version < this.#state.version) return; // the past of a log that is read again
    const same = state.version === this.#state.version && this.#state.task !== "";
    this.#state = state;
    if (state.attempt > this.#attempt) this.#begin(state.attempt, state.part_count);
    this.#snapshot = null;
    if (!same) this.#emit({ kind: "status", state: this.snapshot });
  }

  #progress({ attempt, fraction, message }: Progress & { attempt: number }): void {
    if (attempt < this.#attempt) return;
    const progress = { fraction, message };
    this.#state = { ...this.#state, progress };
    this.#emit({ kind: "progress", progress });
  }

  /** Another attempt: its parts go on after so many, where it resumes, or begin anew. */
  #begin(attempt: number, from: number): void {
    this.#attempt = attempt;
    if (!from) this.#first = attempt;
    else if (from === this.#parts.length) return;
    // Where others are missing, all are read again, whosever they are.
    this.#parts = [];
    this.#whole = 0;
  }

  #part(part: PartOfAttempt<P>): void {
    if (part.attempt > this.#attempt) this.#begin(part.attempt, part.index);
    if (part.attempt < this.#first || part.index in this.#parts) return;
    this.#parts[part.index] = part;
    while (this.#whole in this.#parts) {
      this.#emit({ kind: "part", part: this.#parts[this.#whole++] as PartOfAttempt<P> });
    }
    const part_count = this.#parts.length;
    if (part_count > this.#state.part_count) this.#state = { ...this.#state, part_count };
  }

  /** Read the parts that are missing: a snapshot has the newest alone. */
  #fill(): void {
    const { position: at, version } = this.#state;
    if (this.#filling || !at) return;
    this.#filling = new AbortController();
    const options = { token: this.token, signal: this.#filling.signal };
    import("./missing.js")
      .then(({ missing }) =>
        missing<R, P>(this.#http, this.#path, options, at, ({ attempt, parts = [] }) => {
          // Those of before another attempt may have begun anew since.
          if (attempt >= this.#attempt) for (const part of parts) this.#part(part);
          this.changed();
          return this.#lacks();
        }),
      )
      .finally(() => {
        this.#filling = null;
      })
      .then(
        () => {
          // What is not there by now is nowhere, unless they are others by now.
          if (version === this.#state.version) {
            this.#parts.length = this.#whole;
            this.#state = { ...this.#state, part_count: this.#whole };
          }
          this.#told();
        },
        (error: unknown) => this.fail(asError(error)),
      );
  }
}
