/**
 * The public types: what a page says to a client, and what it is told.
 *
 * Names on the wire stay as they are (`part_count`, `created_at`); what is of this library alone
 * is in camel case. Positions are opaque texts: compare them for equality at most.
 */

import type { RingbackError } from "./errors.js";
import type { DataOf } from "./topics.js";

/** The tasks and topics of one server, as `ringback types` writes them from its OpenAPI. */
export interface Api {
  /** Input, result and partial results by the name of the task. */
  tasks: Record<string, { input: unknown; result: unknown; part?: unknown }>;
  /** The data of messages, by the pattern of the topics' names: `rooms/{room}`. */
  topics?: Record<string, unknown>;
}

/** What is known where no `Api` is given: any task, any input. */
export interface AnyApi {
  tasks: Record<string, { input: unknown; result: unknown; part: unknown }>;
  topics: Record<string, unknown>;
}

/** The names of an API's tasks. */
export type TaskName<A extends Api> = keyof A["tasks"] & string;
/** What a task takes. */
export type InputOf<A extends Api, T extends TaskName<A>> = A["tasks"][T]["input"];
/** What a task gives in the end. */
export type ResultOf<A extends Api, T extends TaskName<A>> = A["tasks"][T]["result"];
/** What a task gives on its way. */
export type PartOf<A extends Api, T extends TaskName<A>> = A["tasks"][T] extends { part: infer P }
  ? P
  : unknown;

/** The ways to be told, the best first. */
export type TransportName = "websocket" | "sse" | "long-polling" | "polling";

/** Where a topic's messages stand: opaque, `epoch-number`. */
export type Position = string;

/** How to connect. Everything has a default. */
export interface Options {
  /** A JWT, sent as `Authorization: Bearer` and in the WebSocket's first frame. */
  token?: string | undefined;
  /**
   * Gives a token: asked when one is first needed, a little before it expires, and after the
   * server said that it is not good (401, close code 4401). `undefined`: go on without one.
   */
  getToken?: (() => string | undefined | Promise<string | undefined>) | undefined;
  /** Which transports to use, the best first; all four unless set. */
  transports?: readonly TransportName[] | undefined;
  /**
   * One connection for all tabs of this origin; false unless set. It has the token of the tab that
   * carries: only for pages whose tabs all have the same user, or else one sees what the other may.
   */
  share?: boolean | undefined;
  /** Told of everything that goes over the wire: for debugging. */
  onTraffic?: ((traffic: Traffic) => void) | undefined;
  /** Where the WebSocket is, unless at `ws` below the URL: API Gateway gives it its own address. */
  webSocketUrl?: string | undefined;
  /** In place of the global `fetch`, for what goes to the server: not for files that go to a bucket. */
  fetch?: typeof fetch | undefined;
  /** In place of the global `WebSocket`; where there is none, it begins with SSE. */
  WebSocket?: typeof WebSocket | undefined;
}

/** One thing that went over the wire. */
export interface Traffic {
  /** Milliseconds since 1970. */
  at: number;
  /** What carried it; `http` for requests that are no transport's. */
  transport: TransportName | "http";
  /** `out`: sent by this client. */
  direction: "out" | "in";
  /** What it is, in a few words: `POST tasks/report`, `message prices/tea`. */
  summary: string;
  /** The HTTP status of an answer, the code of a WebSocket's close. */
  status?: number;
  /** Bytes of the body, the frame or the event. */
  bytes: number;
  /** The text itself, where it is short enough. */
  data?: string;
}

/**
 * `idle`: nothing is followed. `waiting`: pauses after a failure, until `retryAt`. `offline`: the
 * browser says that there is no network. `closed`: by `close()`, or since the server will not have
 * it (see `error`); `use`, `setToken` and a new subscription try again in the second case.
 */
export type ConnectionStatus =
  | "idle"
  | "connecting"
  | "connected"
  | "waiting"
  | "offline"
  | "closed";

/** The state of the connection: frozen, and replaced when it changes. */
export interface Connection {
  readonly status: ConnectionStatus;
  /** What carries it, or is being tried. */
  readonly transport: TransportName | null;
  /** When it will be tried again, in milliseconds since 1970. */
  readonly retryAt: number | null;
  /** Why it is not connected, as far as somebody said. */
  readonly error: RingbackError | null;
}

/** Options of {@link Client.submit}. */
export interface SubmitOptions {
  /** Made afresh for each submission unless given; kept over its retries. */
  idempotencyKey?: string | undefined;
  /**
   * Stops trying, which nothing else does while there is no answer: `AbortSignal.timeout(60_000)`
   * bounds it. What the server has accepted by then goes on.
   */
  signal?: AbortSignal | undefined;
  /** Not before this time. */
  startAt?: Date | undefined;
  /** Not before so many seconds from now. */
  delay?: number | undefined;
}

/** Options of {@link Client.subscribe}. */
export interface SubscribeOptions {
  /** Everything after this position, as far as it is kept; `earliest`: all of it. Else from now. */
  after?: Position | "earliest" | undefined;
  /** Ends the subscription. */
  signal?: AbortSignal | undefined;
  /** Messages were lost: load anew what they told about. */
  onGap?: ((gap: Gap) => void) | undefined;
  /** All that was missed has come; messages come live from here on. */
  onCurrent?: ((position: Position | null) => void) | undefined;
  /** The subscription is over and nobody closed it: it was refused or taken back. */
  onError?: ((error: RingbackError) => void) | undefined;
}

/** A message of a topic. */
export interface Message<D = unknown> {
  readonly topic: string;
  /** null: its topic keeps nothing. */
  readonly position: Position | null;
  /** When it was published (RFC 3339). */
  readonly at: string;
  readonly data: D;
}

/** Messages up to `position` are lost: of these topics, or of any. */
export interface Gap {
  readonly topics: readonly string[] | null;
  readonly position: Position | null;
}

/**
 * What follows some topics. As an async iterator it gives each message from its making on; it ends
 * when the subscription is closed, and throws where the server ended it.
 */
export interface Subscription<D = unknown> extends AsyncIterable<Message<D>> {
  readonly filter: string;
  /**
   * What `after` would go on with; null until the server said where it stands. It counts what waits
   * in an iterator: who stops reading one goes on after the position of the last message read.
   */
  readonly position: Position | null;
  /** Resolves when the server has confirmed it; rejects if it is refused. */
  readonly ready: Promise<void>;
  close(): void;
}

/** Problem details (RFC 9457), with what each code adds to them. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail?: string;
  [member: string]: unknown;
}

/** The life of an operation. */
export type OperationStatus = "queued" | "running" | "succeeded" | "failed" | "cancelled";

/** How far it has come. */
export interface Progress {
  /** 0 to 1; null: nobody knows. */
  readonly fraction: number | null;
  readonly message: string | null;
}

/** A partial result, as the server has it. */
export interface PartOfAttempt<P = unknown> {
  /** Counts from 0 within the attempt. */
  readonly index: number;
  readonly attempt: number;
  readonly data: P;
}

/** The operation as the server shows it. */
export interface OperationState<R = unknown, P = unknown> {
  readonly id: string;
  readonly task: string;
  readonly status: OperationStatus;
  readonly version: number;
  /** Counts the times a worker took it; 0: none has yet. */
  readonly attempt: number;
  readonly created_at?: string;
  readonly updated_at?: string;
  readonly started_at?: string;
  readonly finished_at?: string;
  /** When it may start, while that lies ahead. */
  readonly ready_at?: string;
  readonly progress: Progress | null;
  readonly part_count: number;
  /** The partial results of the attempt that runs or ran last, in order. */
  readonly parts: readonly PartOfAttempt<P>[];
  readonly result?: R;
  /** Bytes of a result that is too large to stand here. */
  readonly result_size?: number;
  readonly error?: Problem | null;
  readonly dead_letter?: boolean;
  readonly cancel_requested?: boolean;
  readonly parent?: string;
  /** Where its log stands. */
  readonly position?: Position;
}

/** A change of an operation. */
export type OperationEvent<R = unknown, P = unknown> =
  | { readonly kind: "status"; readonly state: OperationState<R, P> }
  | { readonly kind: "progress"; readonly progress: Progress }
  | { readonly kind: "part"; readonly part: PartOfAttempt<P> };

/** Work that the server has accepted, and how it goes. */
export interface Operation<R = unknown, P = unknown> {
  readonly id: string;
  /** Lets whoever holds it follow and cancel: keep it to `follow` after a reload. */
  readonly token: string | undefined;
  /** The task's name; empty until a followed operation has been read. */
  readonly task: string;
  readonly status: OperationStatus;
  /** It has ended, whatever came of it, or cannot be followed any more (see `failure`). */
  readonly done: boolean;
  readonly progress: Progress | null;
  /** Why it failed, or why it was last queued again. */
  readonly error: Problem | null;
  /** Why it cannot be followed: refused, or forgotten by the server; else null. */
  readonly failure: RingbackError | null;
  /** Replaced at each change, never mutated. */
  readonly snapshot: OperationState<R, P>;
  /**
   * The partial results from the first on, then live; ends with the operation. When a new attempt
   * begins, its parts come from the first on again; those of a resumable task go on. Throws where
   * the operation cannot be followed.
   */
  parts(): AsyncIterableIterator<P>;
  /** What it is now, then every change; ends with the operation. */
  events(): AsyncIterableIterator<OperationEvent<R, P>>;
  /**
   * The result, once there is one. Rejects with a {@link RingbackError}: `task-failed` and what the
   * task said, `cancelled`, `operation-forgotten`.
   */
  result(): Promise<R>;
  /** Ask it to stop: best effort. Resolves when the server knows. */
  cancel(): Promise<void>;
  /** Called after each change of `snapshot`; returns what ends that. */
  onChange(listener: () => void): () => void;
  /** Stop following it; the work goes on. */
  close(): void;
}

/** Options of {@link Client.upload}. */
export interface UploadOptions {
  /** The server chooses the handler by its beginning; the file's own name unless given. */
  name?: string | undefined;
  /** A media type; the file's own unless given. */
  type?: string | undefined;
  /** Stops sending; what came stays on the server for a while, to be resumed. */
  signal?: AbortSignal | undefined;
  idempotencyKey?: string | undefined;
  /** Go on with one that was begun before, with the same bytes. */
  resume?: { id: string; token: string } | undefined;
}

/** A file on its way, then the work on it. */
export interface Upload<R = unknown, P = unknown> extends Operation<R, P> {
  /** Bytes that the server has. */
  readonly sent: number;
  /** Bytes of the file. */
  readonly size: number;
  /** Resolves when the server has all of it; rejects when it will not have it. */
  readonly uploaded: Promise<void>;
}

/** What came of publishing. */
export interface Published {
  topic: string;
  /** null: the topic keeps nothing. */
  position: Position | null;
  /** Subscribers that the server which was asked has just now. */
  listeners: number;
}

/** Who follows a topic. */
export interface Presence {
  topic: string;
  connections: number;
  /** Only for whoever may see it. */
  subjects?: string[];
  anonymous?: number;
}

/** A client: one connection for all that is followed through it. */
export interface Client<A extends Api = AnyApi> {
  /** Where the application is mounted; ends with a slash. */
  readonly url: string;
  /** Frozen; the same object while nothing changes. */
  readonly connection: Connection;
  /** Called after each change of `connection`; returns what ends that. */
  onConnection(listener: (connection: Connection) => void): () => void;
  /**
   * Have work done. Resolves when the server has stored the request. Retries what may pass (no
   * network, 502, 503, 504, 429) with the same idempotency key until `signal` says otherwise.
   * Rejects with a {@link RingbackError} for everything else.
   */
  submit<T extends TaskName<A>>(
    task: T,
    input: InputOf<A, T>,
    options?: SubmitOptions,
  ): Promise<Operation<ResultOf<A, T>, PartOf<A, T>>>;
  /** Follow an operation by its id, after a reload for example; reads it at once. */
  follow<R = unknown, P = unknown>(id: string, token?: string): Operation<R, P>;
  /** Follow topics by a name or a filter. Several for one filter are several subscriptions. */
  subscribe<F extends string>(
    filter: F,
    handler?: (message: Message<DataOf<A, F>>) => void,
    options?: SubscribeOptions,
  ): Subscription<DataOf<A, F>>;
  /** The same, where what comes is not in the `Api`: say it. */
  subscribe<D = unknown>(
    filter: string,
    handler?: (message: Message<D>) => void,
    options?: SubscribeOptions,
  ): Subscription<D>;
  /** Publish. Is not tried again when the network fails: nobody would know whether it came twice. */
  publish<T extends string>(topic: T, data: DataOf<A, T>): Promise<Published>;
  /** Who follows a topic just now; `$presence/TOPIC` tells of each who comes and goes. */
  presence(topic: string): Promise<Presence>;
  /** Send a file in pieces, resuming after cuts; then follow the work on it. */
  upload<R = unknown, P = unknown>(file: Blob, options?: UploadOptions): Upload<R, P>;
  /** Use other transports from now on; what is followed goes on without loss. */
  use(transports: readonly TransportName[]): void;
  /** Use another token from now on. */
  setToken(token: string | undefined): void;
  /** End everything; the client is of no use after it. */
  close(): void;
}
